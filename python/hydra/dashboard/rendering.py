"""Templates, and how instants, durations and payloads look. Everything is escaped: nothing here is marked as safe."""

from __future__ import annotations

import importlib.resources
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from hydra import codec
from hydra.client.plain_json import encode_json, writable
from hydra.errors import ConfigError, PayloadError
from hydra.pointers import is_pointer, pointer_in
from hydra.terminal import SHOWN

MAX_PAYLOAD_BYTES = 256 * 1024  # what is larger is not decoded for a page
MAX_SHOWN_LENGTH = 20_000
_CODES = "".join(map(chr, SHOWN))
_UNSEEN = re.compile(f"[{re.escape(_CODES)}]")
_TAG_OR_UNSEEN = re.compile(f"<textarea.*?</textarea>|<[^>]*>|{_UNSEEN.pattern}", re.DOTALL)
NOTHING = "\N{EN DASH}"


class Templates:
    def __init__(self) -> None:
        try:
            from jinja2 import Environment, PackageLoader, StrictUndefined
        except ImportError:
            raise ConfigError("the page needs Jinja2, which is missing; install `hydra-engine[dashboard]`") from None
        self._environment = Environment(
            loader=PackageLoader("hydra.dashboard"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= {
            "when": when,
            "iso": iso,
            "took": took,
            "number": "{:,}".format,
            "segment": segment,
            "query": query,
        }

    def render(self, template: str, /, **values: Any) -> bytes:
        text = self._environment.get_template(template).render(now=datetime.now(UTC), **values)
        return writable(_visible(text)).encode()


def _visible(html: str) -> str:
    """What turns the direction of text, or shows nothing, by its number, as commands print it; not in tags and fields
    of forms, which carry the value itself. In a value `<` and `>` are escaped, so a tag ends where it seems to."""
    if _UNSEEN.search(html) is None:
        return html
    return _TAG_OR_UNSEEN.sub(
        lambda found: SHOWN.get(ord(found[0]), found[0]) if len(found[0]) == 1 else found[0], html
    )


def static_file(name: str) -> bytes:
    return (importlib.resources.files("hydra.dashboard") / "static" / name).read_bytes()


def when(instant: datetime | None) -> str:
    return NOTHING if instant is None else instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def iso(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def took(duration: timedelta | float | None) -> str:
    """Three digits or so, in the unit that reads best."""
    if duration is None:
        return NOTHING
    seconds = duration.total_seconds() if isinstance(duration, timedelta) else float(duration)
    if abs(seconds) < 1:
        return f"{seconds * 1000:.1f} ms"
    if abs(seconds) < 120:
        return f"{seconds:.1f} s"
    if abs(seconds) < 7200:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.1f} h" if abs(seconds) < 172_800 else f"{seconds / 86_400:.1f} days"


def segment(text: str) -> str:
    """One part of a path."""
    return quote(text, safe="", errors="replace")


def query(fields: dict[str, Any]) -> str:
    """Behind the question mark; a list is a field that is repeated."""
    given = {name: value for name, value in fields.items() if value not in (None, "", [], ())}
    return urlencode(given, doseq=True, errors="replace")


def shorten(text: str, limit: int = MAX_SHOWN_LENGTH) -> str:
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text):,} characters; `hydra show` has all of it)"


def as_json(value: Any, limit: int = MAX_SHOWN_LENGTH) -> str:
    """What a value holds, indented, as far as it fits."""
    return shorten(encode_json(codec.to_jsonable(value), is_indented=True).decode(), limit)


def payload_text(payload: bytes | None, limit: int = MAX_SHOWN_LENGTH) -> str:
    """A payload decoded without anybody's code."""
    if payload is None:
        return ""
    if is_pointer(payload):
        return f"offloaded ({pointer_in(payload).size:,} bytes); `hydra result` or `hydra show` fetches it"
    if len(payload) > MAX_PAYLOAD_BYTES:
        return f"it has {len(payload):,} bytes, more than is shown here; `hydra show` or `hydra result` prints it"
    try:
        return shorten(encode_json(codec.describe(payload), is_indented=True).decode(), limit)
    except (PayloadError, ValueError, RecursionError) as error:
        return f"it cannot be read: {error}"
