"""When a server said to come back: the Retry-After header of its answer, read off the error that a client raised."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

MAX_CHAIN_LENGTH = 10  # errors looked through, each the cause of the one before


def retry_after_header(error: BaseException, attempt: int = 0) -> float | None:
    """Seconds until the server that an error speaks of wants to be asked again; None where it did not say.

        @hydra.step(max_attempts=5, retry_delay=hydra.retry_after_header)
        def charge(card: str, pennies: int) -> str:
            response = httpx.post(URL, json={"card": card, "pennies": pennies})
            response.raise_for_status()
            return response.text

    It reads `Retry-After`, in seconds or as a date, from the response of the errors of httpx, requests, aiohttp, urllib
    and whatever else has `response.headers` or `headers`, or from such an error's causes.

    Args:
        error: what the step raised.
        attempt: is not looked at; `retry_delay` passes it.
    """
    seen: BaseException | None = error
    for _ in range(MAX_CHAIN_LENGTH):
        if seen is None:
            return None
        for holder in (getattr(seen, "response", None), seen):
            seconds = seconds_in(getattr(holder, "headers", None), time.time())
            if seconds is not None:
                return seconds
        seen = seen.__cause__
    return None


def seconds_in(headers: Any, now: float) -> float | None:
    """`now` in seconds since 1970: for a date where the server did not say what time it has."""
    said = _header(headers, "retry-after")
    if said is None:
        return None
    try:
        seconds = float(said)
    except ValueError:
        at = _instant(said)
        if at is None:
            return None
        its_now = _instant(_header(headers, "date") or "")
        return max(0.0, at - (now if its_now is None else its_now))
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _header(headers: Any, name: str) -> str | None:
    """Whatever the case of its name; of a plain dict, too."""
    if not isinstance(headers, Mapping) and not hasattr(headers, "items"):
        return None
    for key, value in headers.items():
        if isinstance(key, str) and key.lower() == name and isinstance(value, str | int | float):
            return str(value).strip()
    return None


def _instant(text: str) -> float | None:
    """An HTTP date in seconds since 1970."""
    try:
        at: datetime = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()
