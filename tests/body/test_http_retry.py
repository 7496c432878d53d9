"""`hydra.retry_after_header`: when a server said to come back, read off the errors that HTTP clients raise."""

from __future__ import annotations

import urllib.error
from email.message import Message
from types import SimpleNamespace
from typing import Any

import hydra
import pytest
from hydra.http_retry import retry_after_header, seconds_in
from hypothesis import given
from hypothesis import strategies as st

NOON = 1_796_212_800.0  # Wed, 02 Dec 2026 12:00:00 GMT


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "120"}, 120.0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"RETRY-AFTER": 0}, 0.0),
        ({"Retry-After": "Wed, 02 Dec 2026 12:01:00 GMT"}, 60.0),
        ({"Retry-After": "Wednesday, 02-Dec-26 12:01:00 GMT"}, 60.0),
        ({"Retry-After": "Wed Dec  2 12:01:00 2026"}, 60.0),
        ({"Retry-After": "Wed, 02 Dec 2026 11:00:00 GMT"}, 0.0),
        # by the server's own clock, where it says what time that has
        ({"Retry-After": "Wed, 02 Dec 2026 12:01:00 GMT", "Date": "Wed, 02 Dec 2026 12:00:50 GMT"}, 10.0),
        ({"Retry-After": "-3"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "Wed, 99 Dec 2026 12:01:00 GMT"}, None),
        ({"Retry-After": ""}, None),
        ({"Other": "1"}, None),
        (None, None),
        ("Retry-After: 3", None),
    ],
)
def test_seconds_and_dates_are_read_and_nonsense_is_not(headers: Any, seconds: float | None) -> None:
    assert seconds_in(headers, NOON) == seconds


@given(st.text() | st.binary() | st.integers() | st.floats())
def test_no_header_makes_it_raise_or_go_back_in_time(said: Any) -> None:
    seconds = seconds_in({"Retry-After": said}, NOON)
    assert seconds is None or 0 <= seconds < float("inf")


def of_requests() -> BaseException:
    requests = pytest.importorskip("requests", reason="it is not installed")
    response = requests.Response()
    response.status_code, response.headers["Retry-After"] = 429, "7"
    return requests.HTTPError("too many requests", response=response)  # type: ignore[no-any-return]


def of_urllib() -> BaseException:
    headers = Message()
    headers["Retry-After"] = "7"
    return urllib.error.HTTPError("https://bank.example", 429, "too many requests", headers, None)


def of_aiohttp() -> BaseException:
    error = OSError("too many requests")
    error.headers = {"Retry-After": "7"}  # type: ignore[attr-defined]
    return error


def of_httpx() -> BaseException:
    httpx = pytest.importorskip("httpx2", reason="it is not installed")
    response = httpx.Response(429, headers={"Retry-After": "7"}, request=httpx.Request("GET", "https://bank.example"))
    try:
        response.raise_for_status()
    except httpx.HTTPStatusError as error:
        return error  # type: ignore[no-any-return]
    raise AssertionError("it raised nothing")


def of_a_client_of_its_own() -> BaseException:
    error = ValueError("the payment was refused")
    error.__cause__ = of_urllib()
    return error


@pytest.mark.parametrize("make", [of_requests, of_urllib, of_aiohttp, of_httpx, of_a_client_of_its_own])
def test_the_errors_of_http_clients_carry_it(make: Any) -> None:
    assert retry_after_header(make(), 1) == 7.0


def test_an_error_without_it_leaves_the_pause_to_the_backoff() -> None:
    assert retry_after_header(ValueError("no"), 1) is None
    silent = ConnectionError("no answer")
    silent.response = None  # type: ignore[attr-defined]  # as of requests
    assert retry_after_header(silent, 1) is None
    error = ValueError("a")
    error.__cause__ = error
    assert retry_after_header(error) is None
    odd = ValueError("b")
    odd.response = SimpleNamespace(headers=object())  # type: ignore[attr-defined]
    assert retry_after_header(odd) is None


def test_it_is_a_retry_delay() -> None:
    @hydra.step(max_attempts=2, retry_delay=hydra.retry_after_header)
    def charge() -> None: ...

    assert charge.retry.decide(of_urllib(), 1, 0.5).seconds == 7.0
    assert charge.retry.decide(ValueError(), 1, 0.5).seconds == 1.0
