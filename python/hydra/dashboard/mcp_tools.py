"""An MCP server that only looks: what an assistant asks of a database to say what is wrong. Orders nothing.

stdio   for whoever may open the database
HTTP    for this host, or for tokens of the page's file, of any role
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Sequence
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from hydra import __version__
from hydra.client.awaited import set_aside_of
from hydra.client.engine import Engine
from hydra.client.finding import find_executions
from hydra.client.looking import MAX_LOOKED_AT
from hydra.client.plain_json import encode_json
from hydra.client.shown import error_of, input_of
from hydra.config import parse_when
from hydra.dashboard.access import TokenFile
from hydra.dashboard.guard import Guard
from hydra.dashboard.problems import problem_answer
from hydra.dashboard.server import PageConnection, PageServer, is_loopback
from hydra.dashboard.site import WRONG_TOKEN_SECONDS
from hydra.errors import ConfigError, HydraError
from hydra.execution import FINAL
from hydra.observability.http import config_of, listen

MAX_LISTED = 200
MAX_ANSWER_LENGTH = 100_000  # characters: more would only fill the reader's memory
NEWEST_FAILURES = 2_000
PATH = "/mcp"
INSTRUCTIONS = """Look at durable executions of hydra: begin with `stats` and `errors`, then `list`, `show` and `why` of
one. Nothing here changes anything; `why` names the command by which a person does."""


class Tools:
    """The functions that are offered; their texts and annotations are what an assistant reads of them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def list(
        self,
        status: str | None = None,
        workflow: str | None = None,
        key: str | None = None,
        tags: dict[str, str] | None = None,
        since: str | None = None,
        until: str | None = None,
        reason: str | None = None,
        error: str | None = None,
        limit: int = 20,
        before: str | None = None,
    ) -> str:
        """Executions, newest first. `status`: pending, running, sleeping, waiting, parked, completed, failed or
        cancelled. `since` and `until`: `2h` (ago) or `2026-11-29T14:00` (UTC). `reason`: a part of why it failed.
        `error`: a fingerprint that `errors` gives. `before`: the `next` of an earlier answer."""
        if not 1 <= limit <= MAX_LISTED:
            raise ConfigError(f"`limit` must be a whole number from 1 to {MAX_LISTED}, not {limit}")
        times = {name: parse_when(each) if each else None for name, each in (("since", since), ("until", until))}
        wanted = {"status": status, "workflow": workflow, "key": key, "tags": tags, "reason": reason, "error": error}
        found = find_executions(self._engine, {**wanted, **times}, limit, before, oldest_first=False)
        note = f"looked at {MAX_LOOKED_AT:,} at most; go on by `next`" if found.is_cut else None
        return _told({"executions": found.executions, "next": found.place, "note": note})

    def show(self, id: str) -> str:
        """One execution: its row, input, error with traceback, steps, attempts, what it waits for, who ordered what."""
        handle = self._engine.get(id)
        execution, records = handle.execution(), handle.records()
        input = self._engine.fetched(self._engine.read(lambda store: store.input(id))) or b""
        return _told(
            {
                "execution": execution,
                "input": input_of(input),
                "error": error_of(self._engine.read(lambda store: store.failures([id])).get(id)),
                "awaited": [] if execution.status in FINAL else handle.awaited(),
                "set_aside": set_aside_of(records),
                "steps": handle.steps(),
                "maps": handle.maps(),
                "attempts": handle.attempts(),
                "acts": handle.acts(),
            }
        )

    def why(self, id: str) -> str:
        """Why an execution does not go on, or what it does, in one sentence that names what to do next."""
        return _told(self._engine.why(id))

    def errors(self, workflow: str | None = None, since: str | None = None) -> str:
        """What failed or is parked, grouped by fault, the most frequent first; of the newest 2,000."""
        chosen = self._engine.select(workflow=workflow, since=parse_when(since) if since else None)
        return _told(chosen.errors(newest=NEWEST_FAILURES))

    def stats(self) -> str:
        """Counts by workflow and status, what is paused, open circuits, nodes, and due work that no node serves."""
        found = self._engine.stats()
        return _told({"stats": found, "circuits": self._engine.circuits(), "nodes": self._engine.nodes()})


def _told(value: Any) -> str:
    text = encode_json(value).decode()
    if len(text) <= MAX_ANSWER_LENGTH:
        return text
    return f"{text[:MAX_ANSWER_LENGTH]} … cut: the answer has {len(text):,} characters; ask for less"


def server_of(engine: Engine) -> Any:
    """An `mcp.server.MCPServer`. ConfigError where the extra is missing."""
    try:
        from mcp.server import MCPServer
        from mcp.server.mcpserver.exceptions import ToolError
        from mcp.server.mcpserver.tools import Tool
        from mcp.types import ToolAnnotations
    except ImportError as error:
        raise ConfigError("`hydra mcp` needs the MCP library: `pip install 'hydra-engine[mcp]'`") from error
    tools = Tools(engine)

    class StrictTool(Tool):
        """The library leaves out what a tool does not take, and a filter that is spelled wrong would choose all."""

        async def run(self, arguments: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
            taken = self.parameters["properties"]
            if unknown := [each for each in arguments if each not in taken]:
                known = ", ".join(f"`{each}`" for each in taken) or "nothing"
                raise ToolError(f"`{self.name}` takes no `{unknown[0]:.80}`; it takes {known}")
            return await super().run(arguments, *args, **kwargs)

    def telling(tool: Callable[..., str]) -> Callable[..., str]:
        """What it refuses is told: of any other error only that there was one."""

        @functools.wraps(tool)
        def call(*args: Any, **kwargs: Any) -> str:
            try:
                return tool(*args, **kwargs)
            except HydraError as error:
                raise ToolError(str(error)) from error

        return call

    offered: list[Tool] = []
    for tool in (tools.list, tools.show, tools.why, tools.errors, tools.stats):
        hint = ToolAnnotations(read_only_hint=True)
        offered.append(StrictTool.from_function(telling(tool), annotations=hint, structured_output=False))
        offered[-1].parameters["additionalProperties"] = False
    return MCPServer("hydra", version=__version__, instructions=INSTRUCTIONS, log_level="WARNING", tools=offered)


def app_of(engine: Engine, tokens: TokenFile | None, hosts: Sequence[str]) -> ASGIApp:
    """Over HTTP; `hosts` as of `guard`."""
    from mcp.server.transport_security import TransportSecuritySettings

    own = TransportSecuritySettings(enable_dns_rebinding_protection=False)  # the guard does it
    inner: ASGIApp = server_of(engine).streamable_http_app(
        streamable_http_path=PATH, stateless_http=True, json_response=True, transport_security=own
    )

    async def known(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and tokens is not None:
            kind, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
            if kind.lower() != "bearer" or tokens.tokens().holder(token.strip()) is None:
                await asyncio.sleep(WRONG_TOKEN_SECONDS if token else 0)
                sentence = "no token is known that says who you are; send `Authorization: Bearer TOKEN`"
                await problem_answer(401, sentence, {"www-authenticate": "Bearer"})(scope, receive, send)
                return
        await inner(scope, receive, send)

    return Guard(known, hosts)


def serve_http(
    engine: Engine,
    host: str,
    port: int,
    token_file: str | None,
    hosts: Sequence[str],
    announce: Callable[[str], object],
) -> None:
    """Until SIGINT or SIGTERM. ConfigError as of the page: elsewhere than on this host it takes tokens."""
    with listen(host, port) as listening:
        is_local = is_loopback(listening)
        if token_file is None and (hosts or not is_local):
            raise ConfigError(f"others can reach `{hosts[0] if hosts else host}`, so `hydra mcp` needs `--token-file`")
        tokens = None if token_file is None else TokenFile(token_file)
        names = [host, *hosts, *(("localhost", "127.0.0.1", "::1") if is_local else ())]
        page = app_of(engine, tokens, names if is_local or hosts else ())
        config = config_of(page, PageConnection)
        config.lifespan = "on"
        address, taken_port = listening.getsockname()[:2]
        announce(f"MCP is at http://{f'[{address}]' if ':' in address else address}:{taken_port}{PATH}")
        PageServer(config).run(sockets=[listening])
