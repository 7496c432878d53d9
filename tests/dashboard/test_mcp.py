"""The MCP server: what an assistant sees over stdio and HTTP, who may come, and that it changes nothing."""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import anyio
import hydra
import pytest
from hydra.dashboard.access import TokenFile
from hydra.dashboard.mcp_tools import Tools, app_of, serve_http
from hydra.errors import ConfigError, NotFound
from starlette.testclient import TestClient

from tests.dashboard.conftest import LINES, TOKENS, Shop

NAMES = ["errors", "list", "show", "stats", "why"]


@pytest.fixture(autouse=True)
def needs_the_extra() -> None:
    """Imported here and not above: it takes as long as a tenth of collecting all tests, in each process."""
    if "CI" in os.environ:
        importlib.import_module("mcp")
    else:
        pytest.importorskip("mcp", reason="the extra `mcp`")


def ask(url: str, *calls: tuple[str, dict[str, Any]]) -> tuple[list[Any], list[Any]]:
    """The tools that `hydra mcp` offers over stdio, and its answers."""

    async def run() -> tuple[list[Any], list[Any]]:
        from mcp import ClientSession
        from mcp.client.stdio import StdioServerParameters, stdio_client

        program = StdioServerParameters(command=sys.executable, args=["-m", "hydra.cli", "mcp", "--db", url])
        async with stdio_client(program) as streams, ClientSession(*streams) as session:
            await session.initialize()
            tools = (await session.list_tools()).tools
            return list(tools), [await session.call_tool(name, given) for name, given in calls]

    with anyio.from_thread.start_blocking_portal() as portal:
        return portal.call(run)


def test_over_stdio_an_assistant_finds_what_failed_and_why(shop: Shop) -> None:
    calls = ("errors", {}), ("list", {"status": "failed"}), ("show", {"id": shop.failed}), ("why", {"id": shop.parked})
    tools, answers = ask(shop.url, *calls, ("stats", {}), ("show", {"id": "none"}))
    assert sorted(tool.name for tool in tools) == NAMES
    assert all(tool.annotations.read_only_hint and len(tool.description) > 40 for tool in tools)
    *known, unknown = answers
    errors, listed, shown, why, stats = [json.loads(each.content[0].text) for each in known]
    assert errors[0]["example_id"] and [each["id"] for each in listed["executions"]] == [shop.failed]
    assert shown["execution"]["status"] == "failed" and "PagedRefusal" in shown["error"]["traceback"]
    assert "it is parked and waits for a person" in why["sentence"]
    assert stats["stats"]["counts"]["paged_fail"]["failed"] == 1
    assert unknown.is_error and "no execution `none`" in unknown.content[0].text


def test_arguments_that_a_tool_does_not_take_are_refused_with_a_sentence(shop: Shop) -> None:
    calls = ("list", {"state": "failed"}), ("stats", {"workflow": "x"})
    tools, (listed, stats) = ask(shop.url, *calls)
    assert all(tool.input_schema["additionalProperties"] is False for tool in tools)
    assert listed.is_error and "`list` takes no `state`; it takes `status`, `workflow`" in listed.content[0].text
    assert stats.is_error and "`stats` takes no `workflow`; it takes nothing" in stats.content[0].text


def test_over_http_a_token_of_any_role_is_asked_for(engine: hydra.Engine, tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text("\n".join(LINES))
    asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "stats", "arguments": {}}}
    headers = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-06-18"}
    with TestClient(app_of(engine, TokenFile(file), ["hydra.test"]), base_url="http://hydra.test") as program:
        for wrong in ({}, {"authorization": "Bearer " + "x" * 30}, {"authorization": f"Basic {TOKENS['view']}"}):
            refused = program.post("/mcp", json=asked, headers=headers | wrong)
            assert refused.status_code == 401 and "Bearer TOKEN" in refused.json()["detail"]
        mine = headers | {"authorization": f"Bearer {TOKENS['view']}"}
        answer = program.post("/mcp", json=asked, headers=mine)
        assert answer.status_code == 200, answer.text
        assert "paged_fail" in answer.json()["result"]["content"][0]["text"]
        foreign = program.post("/mcp", json=asked, headers=mine | {"origin": "http://elsewhere.test"})
        assert foreign.status_code == 403
        assert program.post("/mcp", json=asked, headers=mine | {"host": "elsewhere.test"}).status_code == 421


def test_bad_input_is_one_sentence(engine: hydra.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = Tools(engine)
    with pytest.raises(ConfigError, match="`limit` must be a whole number from 1 to 200"):
        tools.list(limit=0)
    with pytest.raises(NotFound):
        tools.why("none")
    with pytest.raises(ConfigError):
        tools.list(status="lost")
    with pytest.raises(ConfigError, match="so `hydra mcp` needs `--token-file`"):
        serve_http(engine, "0.0.0.0", 0, None, (), print)
    monkeypatch.setitem(sys.modules, "mcp.server", None)
    with pytest.raises(ConfigError, match=r"needs the MCP library: `pip install 'hydra-engine\[mcp\]'`$"):
        app_of(engine, None, ())


def test_an_answer_has_a_bounded_length(engine: hydra.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hydra.dashboard.mcp_tools.MAX_ANSWER_LENGTH", 50)
    answer = Tools(engine).list()
    assert " … cut: the answer has " in answer and len(answer) < 150
