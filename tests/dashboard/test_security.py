"""Who is let in, and what other pages, programs and files cannot make the page do."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import Any

import hydra
import pytest
from hydra import Status, dashboard
from hydra.dashboard import live
from hydra.dashboard.access import TokenFile, parse_tokens
from hydra.dashboard.guard import POLICY
from hydra.dashboard.seals import Seal
from hydra.dashboard.site import WRONG_TOKEN_SECONDS
from hydra.errors import ConfigError
from starlette.testclient import TestClient

from tests.dashboard.conftest import LINES, TOKENS, browser_of, mark_of, order, program_of, put_pending, sign_in

HERE = {"origin": "http://hydra.test"}


@pytest.fixture
def stranger(engine: hydra.Engine) -> Iterator[TestClient]:
    yield browser_of(engine, tokens=LINES)


def test_a_stranger_is_asked_for_a_token_and_a_wrong_one_is_one_sentence(stranger: TestClient) -> None:
    for path in ("/", "/executions", "/errors", "/act?act=cancel&status=failed", "/nodes"):
        answer = stranger.get(path, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert stranger.get("/live").status_code == 403
    wrong = order(stranger, "/login", token="x" * 40)
    assert wrong.status_code == 403
    assert "no such token is known; look it up, and try again" in unescape(wrong.text)


def test_a_session_is_kept_from_scripts_and_other_sites_and_ends(stranger: TestClient) -> None:
    mark = mark_of(stranger.get("/login").text)
    answer = stranger.post("/login", data={"mark": mark, "token": TOKENS["view"]}, follow_redirects=False)
    cookie = next(each for each in answer.headers.get_list("set-cookie") if each.startswith("hydra_session="))
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and TOKENS["view"] not in cookie
    assert stranger.get("/").status_code == 200
    order(stranger, "/logout")
    assert stranger.get("/", follow_redirects=False).status_code == 303
    stranger.cookies.set("hydra_session", "A" * 80)
    assert stranger.get("/", follow_redirects=False).status_code == 303


def test_a_form_of_another_page_does_nothing(own: hydra.Engine) -> None:
    id = put_pending(own, 1)[0]
    browser = browser_of(own)
    mark = mark_of(browser.get("/").text)
    form = {"order": "cancel"}
    for headers, fields in (
        ({"origin": "http://evil.test"}, {**form, "mark": mark}),
        ({"origin": "null"}, {**form, "mark": mark}),
        ({"sec-fetch-site": "cross-site"}, {**form, "mark": mark}),
        ({"sec-fetch-site": "same-site"}, {**form, "mark": mark}),
        (HERE, form),
        (HERE, {**form, "mark": "0" * 64}),
        (HERE, {**form, "mark": "\N{SNOWMAN}"}),
    ):
        answer = browser.post(f"/executions/{id}", data=fields, headers=headers)
        assert answer.status_code == 403, headers
    other = browser_of(own)
    stolen = mark_of(other.get("/").text)
    assert browser.post(f"/executions/{id}", data={**form, "mark": stolen}, headers=HERE).status_code == 403
    assert browser.post(f"/executions/{id}", content="x", headers={"content-type": "text/plain"}).status_code == 415
    assert browser.get(f"/executions/{id}?order=cancel&mark={mark}").status_code == 200
    assert own.get(id).status() is Status.PENDING


def test_another_name_for_the_host_is_refused(engine: hydra.Engine) -> None:
    page = dashboard.app(engine, tokens=LINES, hosts=["hydra.test", "::1"])
    for host, status in (
        ("hydra.test", 200),
        ("HYDRA.test:8000", 200),
        ("[::1]:8000", 200),
        ("evil.test", 421),
        ("hydra.test.evil.test", 421),
        ("evil.test@hydra.test:x[", 421),
        ("", 421),
    ):
        assert TestClient(page).get("/login", headers={"host": host}).status_code == status, host


def test_every_answer_says_what_a_browser_may_do_with_it(stranger: TestClient) -> None:
    browser = stranger
    for answer in (
        browser.get("/login"),
        browser.get("/nowhere"),
        browser.get("/static/page.js"),
        browser.get("/static/../asgi.py"),
        browser.get("/static/%2e%2e/asgi.py"),
        browser.get("/api/v1/executions"),
        browser.post("/login", headers={"origin": "http://evil.test"}),
        browser.get("/", follow_redirects=False),
    ):
        assert answer.headers["content-security-policy"] == POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert "import" not in answer.text
    assert "unsafe" not in POLICY


def test_a_bug_shows_nothing_of_itself(engine: hydra.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    page = dashboard.app(engine, tokens=LINES)
    browser = TestClient(page, base_url="http://hydra.test", raise_server_exceptions=False)
    sign_in(browser, "view")
    monkeypatch.setattr(hydra.Engine, "stats", lambda self: 1 / 0)
    answer = browser.get("/", headers={"accept": "text/html"})
    assert answer.status_code == 500
    assert "this could not be shown; the log has the traceback" in answer.text
    assert "ZeroDivision" not in answer.text and answer.headers["content-security-policy"] == POLICY


def test_what_is_too_large_is_refused_before_it_is_read(engine: hydra.Engine) -> None:
    browser = browser_of(engine)
    form = {"content-type": "application/x-www-form-urlencoded"}
    for content in (b"a=" + b"x" * (1 << 20), b"&".join(b"a=1" for _ in range(300))):
        assert browser.post("/act", content=content, headers=form).status_code in (400, 413)
    assert browser.get("/executions?key=" + "x" * 20_000).status_code == 414
    assert browser.get("/" + "x" * 3_000).status_code == 414


def test_the_session_of_a_browser_is_no_right_to_use_the_api(engine: hydra.Engine) -> None:
    browser = browser_of(engine, tokens=LINES)
    sign_in(browser, "admin")
    answer = browser.get("/api/v1/executions")
    assert answer.status_code == 401
    assert answer.json()["detail"] == "no token is known that says who you are; send `Authorization: Bearer TOKEN`"
    assert browser.get("/", headers={"authorization": f"Bearer {TOKENS['view']}"}).status_code == 200


def test_a_page_elsewhere_cannot_give_orders_to_the_api_of_a_host_without_tokens(own: hydra.Engine) -> None:
    """On loopback a browser of the same person reaches it: what it sends without asking first is refused."""
    browser = browser_of(own)
    body = b'{"workflow": "paged_bill", "allow_unknown": true}'
    for headers in (
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "application/json", "origin": "http://evil.test"},
        {"content-type": "application/json", "sec-fetch-site": "cross-site"},
    ):
        assert browser.post("/api/v1/executions", content=body, headers=headers).status_code in (403, 415)
    assert "access-control-allow-origin" not in browser.options("/api/v1/executions").headers
    assert own.executions() == []


def test_a_wrong_token_at_the_api_is_answered_slowly(engine: hydra.Engine) -> None:
    program = program_of(engine, "")
    began = time.monotonic()
    answer = program.get("/api/v1/executions", headers={"authorization": "Bearer " + "w" * 30})
    assert answer.status_code == 401 and time.monotonic() - began >= WRONG_TOKEN_SECONDS


def test_tokens_are_known_by_their_digest_and_nobody_is_let_in_without_one() -> None:
    tokens = parse_tokens("# who may\n\nana admin " + "a" * 20 + "\nbot view sha256:" + "0" * 64 + "\n", "`tokens`")
    assert tokens.holder("a" * 20) == dashboard.Operator("ana", dashboard.Role.ADMIN)
    assert tokens.holder("") is None and tokens.holder("0" * 64) is None and tokens.holder("\udcff") is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "`tokens` must have 1 to 1000 tokens, and has 0"),
        ("ana admin", "line 1 of `tokens` must be a name, a role and a token; it has 2 words"),
        ("ana root " + "x" * 20, "`root` in line 1 of `tokens` is no role; it is one of view, operate, admin"),
        ("ana view short-secret", "the token in line 1 of `tokens` is shorter than 20 characters; make a random one"),
        ("a<b view " + "x" * 20, "the name in line 1 of `tokens` must be 1 to 100 letters, digits and any of"),
        ("ana view " + "x" * 20 + "\n\nbo admin " + "x" * 20, "lines 1 and 3 of `tokens` have the same token"),
        ("ana view " + "x" * 20 + "\nana view " + "y" * 20, "`ana` in line 2 of `tokens` has a token already"),
    ],
)
def test_a_file_of_tokens_that_cannot_be_is_one_sentence_without_the_token(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_tokens(text, "`tokens`")
    assert str(raised.value).startswith(sentence)
    assert "short-secret" not in str(raised.value) and "xxx" not in str(raised.value)


def test_who_is_taken_out_of_the_file_is_out_at_once(engine: hydra.Engine, tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    path.write_text("\n".join(LINES))
    os.utime(path, (1, 1))
    browser = browser_of(engine, tokens=path)
    sign_in(browser, "view")
    assert browser.get("/", follow_redirects=False).status_code == 200
    path.write_text(LINES[-1])
    os.utime(path, (2, 2))
    assert browser.get("/", follow_redirects=False).status_code == 303
    assert TokenFile(path).tokens().holder(TOKENS["view"]) is None
    path.unlink()
    assert browser.get("/", follow_redirects=False).status_code == 303
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        TokenFile(path)


def test_what_was_signed_opens_only_for_its_purpose_and_in_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    seal = Seal(b"secret")
    closed = seal.close("session", "ana", 60)
    assert seal.open("session", closed) == "ana"
    assert seal.open("said", closed) is None and Seal(b"other").open("session", closed) is None
    other = ("B" if closed[0] == "A" else "A") + closed[1:]
    for broken in ("", "A", "!!", closed[:-4], other):
        assert seal.open("session", broken) is None, broken
    later = time.time() + 61
    monkeypatch.setattr(time, "time", lambda: later)
    assert seal.open("session", closed) is None


def test_an_app_for_everybody_is_refused(engine: hydra.Engine) -> None:
    with pytest.raises(ConfigError, match="the page needs `tokens` or `authorize`"):
        dashboard.app(engine)
    with pytest.raises(ConfigError, match="`secret` must have at least 20 characters"):
        dashboard.app(engine, authorize=lambda request: None, secret="short")
    browser = browser_of(engine, authorize=lambda request: None)
    assert browser.get("/").status_code == 403
    assert program_of(engine, "").get("/api/v1/executions").status_code == 401


def test_a_copy_of_a_session_ends_with_its_sign_out(own: hydra.Engine) -> None:
    app = dashboard.app(own, tokens=LINES)
    headers = {"accept": "text/html"}
    first, copy, other = (TestClient(app, base_url="http://hydra.test", headers=headers) for _ in range(3))
    sign_in(first, "view")
    sign_in(other, "view")
    copy.cookies.update(first.cookies)
    assert copy.get("/", follow_redirects=False).status_code == 200
    order(first, "/logout")
    assert copy.get("/", follow_redirects=False).status_code == 303
    assert copy.get("/live", follow_redirects=False).status_code == 403
    assert other.get("/", follow_redirects=False).status_code == 200, "another session of the same operator goes on"


def test_what_follows_along_ends_with_its_session(own: hydra.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "LOOK_SECONDS", 0.05)
    app = dashboard.app(own, tokens=LINES)
    browser = TestClient(app, base_url="http://hydra.test", headers={"accept": "text/html"})
    sign_in(browser, "view")
    scope = dict(browser.build_request("GET", "/live").headers)
    ended = asyncio.run(asyncio.wait_for(follow(app, scope, lambda: order(browser, "/logout")), 30))
    assert ended[:2] == [b"retry: 5000\n\n", b":\n\n"] and ended[-1] == b""
    assert len(ended) < 10


async def follow(app: Any, headers: dict[str, str], then: Callable[[], Any]) -> list[bytes]:
    """What a stream sends until it ends; `then` is done at its second message."""
    sent: list[bytes] = []

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            sent.append(message["body"])
            if len(sent) == 2:
                await asyncio.to_thread(then)

    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "GET", "path": "/live", "query_string": b"", "scheme": "http", "headers": raw}
    await app(scope, receive, send)
    return sent


def test_a_session_of_another_process_with_its_own_secret_does_not_open(own: hydra.Engine) -> None:
    one, two = (dashboard.app(own, tokens=LINES, secret=letter * 20) for letter in "ab")
    shared = dashboard.app(own, tokens=LINES)
    browser = TestClient(one, base_url="http://hydra.test", headers={"accept": "text/html"})
    sign_in(browser, "view")
    for app, status in ((one, 200), (two, 303), (shared, 303)):
        elsewhere = TestClient(app, base_url="http://hydra.test", headers={"accept": "text/html"})
        elsewhere.cookies.update(browser.cookies)
        assert elsewhere.get("/", follow_redirects=False).status_code == status
