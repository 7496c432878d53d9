"""What one mounted page holds: the engine, who may ask, the templates. And what it knows of one request's sender."""

from __future__ import annotations

import inspect
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from hydra.client.engine import Engine
from hydra.dashboard.access import Operator, Role, TokenFile, Tokens
from hydra.dashboard.filters import REPEATED
from hydra.dashboard.guard import TooLarge, read_body
from hydra.dashboard.problems import Problem
from hydra.dashboard.rendering import Templates
from hydra.dashboard.seals import Seal
from hydra.dashboard.threads import on_thread

MAX_FORM_BYTES = 1 << 20
MAX_FORM_FIELDS = 200
SESSION_SECONDS = 12 * 3600.0
SAID_SECONDS = 60.0
WRONG_TOKEN_SECONDS = 0.5  # that the answer to a wrong token takes
SESSION, VISIT, SAID = "hydra_session", "hydra_visit", "hydra_said"  # cookies
MARK_AGE_SECONDS = 1.0  # how old a look at the counts may be that several readers share

Authorize = Callable[[Request], "Operator | Awaitable[Operator | None] | None"]


class Site:
    def __init__(
        self, engine: Engine, tokens: TokenFile | Tokens | None, authorize: Authorize | None, secret: str | None
    ) -> None:
        self.engine = engine
        self.templates = Templates()
        self._tokens = tokens
        self._authorize = authorize
        self._secret = secrets.token_bytes(32) if secret is None else secret.encode()
        self._mixed_in = b"" if secret is None else self._secret
        self._signed_out: dict[str, float] = {}  # sessions, by id, until they would have ended by themselves
        self._counted_at, self._counts_mark = 0.0, ""
        self.listener_count = 0
        self.wait_count = 0  # requests that wait for an end

    @property
    def has_tokens(self) -> bool:
        return self._tokens is not None

    def tokens(self) -> Tokens:
        return self._tokens.tokens() if isinstance(self._tokens, TokenFile) else self._tokens or Tokens(())

    def seal(self) -> Seal:
        """With tokens each process has the same, and another one once they change: then all sign in again. Where a
        secret is given, those have the same that it is given to."""
        return Seal(self.tokens().secret() + self._mixed_in if self.has_tokens else self._secret)

    def open_session(self, name: str) -> str:
        """A cookie for whoever has shown the token of that name."""
        return self.seal().close("session", [name, secrets.token_hex(16)], SESSION_SECONDS)

    def end_session(self, request: Request) -> None:
        """In this process no copy of its cookie opens any more."""
        now = time.monotonic()
        self._signed_out = {id: until for id, until in self._signed_out.items() if until > now}
        if (found := self._session(request)) is not None:
            self._signed_out[found[1]] = now + SESSION_SECONDS

    def _session(self, request: Request) -> tuple[str, str] | None:
        """Whose it is, and its id."""
        found = self.seal().open("session", request.cookies.get(SESSION, ""))
        return None if found is None or found[1] in self._signed_out else (found[0], found[1])

    async def operator_of_program(self, request: Request) -> Operator | None:
        """By its `Authorization: Bearer`; cookies do not count, but for those that `authorize` reads."""
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if self.has_tokens and kind.lower() == "bearer":
            return self.tokens().holder(token.strip())
        return await self._authorized(request)

    async def operator_of_browser(self, request: Request) -> Operator | None:
        """By its session."""
        if self.has_tokens and (session := self._session(request)) is not None:
            known = self.tokens().named(session[0])
            return None if known is None else known.operator
        return await self._authorized(request)

    def acting(self, operator: Operator, why: str = "") -> AbstractContextManager[None]:
        """What is ordered inside is recorded as this operator's, by token or by the name that `authorize` gave."""
        name = f"token:{operator.name}" if self.has_tokens else operator.name
        return self.engine.acting(name, reason=why)

    async def _authorized(self, request: Request) -> Operator | None:
        if self._authorize is None:
            return None
        found = self._authorize(request)
        return await found if inspect.isawaitable(found) else found

    def counts_mark(self) -> str:
        """Changes when any count does."""
        if time.monotonic() - self._counted_at > MARK_AGE_SECONDS:
            self._counts_mark = repr(self.engine.stats().counts)
            self._counted_at = time.monotonic()
        return self._counts_mark


class Visit:
    """One request of a browser."""

    def __init__(self, site: Site, request: Request, operator: Operator | None) -> None:
        self.site = site
        self.engine = site.engine
        self.request = request
        self._operator = operator
        self.root = request.scope.get("root_path", "")
        self.id = request.cookies.get(VISIT) or secrets.token_hex(16)

    @property
    def operator(self) -> Operator:
        assert self._operator is not None  # `page` lets nobody else in
        return self._operator

    def need(self, role: Role) -> None:
        if not self.operator.may(role):
            raise Problem(403, f"`{self.operator.name}` has the role `{self.operator.role}`; this takes `{role}`")

    def query(self) -> Mapping[str, list[str]]:
        """What is asked for; fields that were left empty are left out."""
        return fields_of(self.request.scope["query_string"].decode("latin-1"))

    def mark(self) -> str:
        """What a form of this browser carries, and no other page can know."""
        who = "" if self._operator is None else self._operator.name
        return self.site.seal().mark("form", f"{self.id} {who}")

    def check_mark(self, form: Mapping[str, list[str]]) -> None:
        who = "" if self._operator is None else self._operator.name
        if not self.site.seal().is_mark("form", f"{self.id} {who}", first(form, "mark")):
            raise Problem(403, "the form is too old, or not of this page; load the page again, and repeat it there")

    def show(self, template: str, status: int = 200, /, **values: Any) -> Response:
        said = self.site.seal().open("said", self.request.cookies.get(SAID, ""))
        body = self.site.templates.render(
            template,
            root=self.root,
            operator=self._operator,
            namespace=self.engine.namespace,
            has_tokens=self.site.has_tokens,
            mark=self.mark(),
            path=self.request.url.path.removeprefix(self.root),
            said=said,
            **values,
        )
        answer = Response(body, status, media_type="text/html; charset=utf-8")
        if self.request.cookies.get(VISIT) != self.id:
            self.set_cookie(answer, VISIT, self.id, None)
        if SAID in self.request.cookies:
            self.set_cookie(answer, SAID, "", 0)
        return answer

    def go(self, path: str, sentence: str = "", kind: str = "good") -> Response:
        """On to another page of ours, which says the sentence once."""
        answer = RedirectResponse(self.root + path, 303)
        if sentence:
            sealed = self.site.seal().close("said", [kind, sentence[:1500]], SAID_SECONDS)
            self.set_cookie(answer, SAID, sealed, round(SAID_SECONDS))
        return answer

    def set_cookie(self, answer: Response, name: str, value: str, seconds: int | None) -> None:
        origin = self.request.headers.get("origin", "")  # as the browser has it, whatever proxy lies between
        is_secure = self.request.url.scheme == "https" or origin.startswith("https://")
        path = self.root or "/"
        answer.set_cookie(name, value, seconds, path=path, secure=is_secure, httponly=True, samesite="strict")


def page(site: Site, show: Callable[[Visit], Response]) -> Callable[[Request], Awaitable[Response]]:
    """A page that is read, on a thread; who is not known signs in first."""

    async def answer(request: Request) -> Response:
        operator = await site.operator_of_browser(request)
        visit = Visit(site, request, operator)
        if operator is None:
            return refuse_stranger(visit)
        return await on_thread(show, visit)

    return answer


def order(
    site: Site, give: Callable[[Visit, Mapping[str, list[str]]], Response], role: Role
) -> Callable[[Request], Awaitable[Response]]:
    """A form that was sent, carried out on a thread."""

    async def answer(request: Request) -> Response:
        operator = await site.operator_of_browser(request)
        visit = Visit(site, request, operator)
        if operator is None:
            return refuse_stranger(visit)
        form = await read_form(request)
        visit.check_mark(form)
        visit.need(role)

        def carry_out() -> Response:
            with site.acting(visit.operator, first(form, "why")):
                try:
                    return give(visit, form)
                except RecursionError:
                    raise Problem(422, "the value is nested too deep") from None

        return await on_thread(carry_out)

    return answer


def refuse_stranger(visit: Visit) -> Response:
    if visit.site.has_tokens:
        return RedirectResponse(f"{visit.root}/login", 303)
    raise Problem(403, "you are not let in here; sign in at the app that this page is part of")


async def read_form(request: Request) -> Mapping[str, list[str]]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise Problem(415, "an order of the page is a form; programs use the API under `/api/v1`")
    try:
        body = await read_body(request.receive, request.headers, MAX_FORM_BYTES)
    except TooLarge:
        raise Problem(413, f"the form has more than {MAX_FORM_BYTES:,} bytes") from None
    return fields_of(body.decode("latin-1"))


def fields_of(text: str) -> dict[str, list[str]]:
    try:
        found = parse_qs(text, max_num_fields=MAX_FORM_FIELDS, encoding="utf-8", errors="replace")
    except ValueError:
        raise Problem(400, f"there are more than {MAX_FORM_FIELDS} fields") from None
    fields = {name: [each.strip() for each in texts if each.strip()] for name, texts in found.items()}
    repeated = [name for name, texts in fields.items() if name not in REPEATED and len(texts) > 1]
    if repeated:
        raise Problem(422, f"the parameter `{repeated[0]:.80}` is given more than once")
    return fields


def first(fields: Mapping[str, list[str]], name: str) -> str:
    """The field's text; "" where it was left empty."""
    return next(iter(fields.get(name, ())), "")
