"""What others wrote does not act on the terminal of who looks: every command shows control characters by number."""

from __future__ import annotations

import json
from contextlib import suppress
from unicodedata import category

import hydra
import pytest
from hydra.terminal import SHOWN_IN_JSON

from tests.cli.invoking import run

HOSTILE = "pay\x1b[2J\x1b]0;x\x07\r\x08\x7f\x9b31m\u202eevil\u2066\u200f"


@hydra.step
def hostile_charge(card: str) -> str:
    raise LookupError(f"no {card}\nnor {HOSTILE}")


@hydra.workflow
def hostile_bill(card: str) -> str:
    return hostile_charge(card)


@hydra.workflow
def hostile_wait(card: str) -> object:
    return hydra.wait_event("ask")


@hydra.workflow
def hostile_echo(card: str) -> str:
    return card


def check(text: str) -> None:
    obeyed = {each for each in text if each != "\n" and category(each) in ("Cc", "Cf", "Zl", "Zp")}
    assert not obeyed, (obeyed, text)


@pytest.mark.timeout(120)
def test_no_command_prints_what_a_terminal_obeys(url: str) -> None:
    with hydra.Engine(url) as engine, engine.worker():
        failed = engine.submit(hostile_bill.bind(HOSTILE), key=HOSTILE, tags={"who": HOSTILE})
        with suppress(hydra.WorkflowFailed):
            failed.result(timeout=60)
        done = engine.submit(hostile_echo.bind(HOSTILE))
        done.result(timeout=60)
        waiting = engine.submit(hostile_wait.bind(HOSTILE), key=f"{HOSTILE}\nforged line")
        with suppress(hydra.ResultTimeout):
            waiting.result(timeout=0.5)
        engine.pause_workflow("hostile_echo", reason=HOSTILE)
        waiting.cancel()
        with engine.acting(by="ana", reason=HOSTILE):
            other = engine.submit(hostile_wait.bind("b"), delay=3600)
            other.signal("ask", HOSTILE)
    shown = {
        "show": run(url, "show", failed.id).output + run(url, "show", waiting.id).output,
        "list": run(url, "list").output,
        "why": run(url, "why", failed.id).output + run(url, "why", waiting.id).output,
        "errors": run(url, "errors").output,
        "acts": run(url, "acts").output,
        "top": run(url, "top").output,
        "stats": run(url, "stats").output,
        "result": run(url, "result", failed.id, code=1).output + run(url, "result", done.id).output,
        "find": run(url, "signal", "name", "--workflow", "hostile_wait", "--key", HOSTILE + "?", code=1).output,
        "retry": run(url, "retry", done.id, code=1).output,
        "list by filter": run(url, "list", "--error", HOSTILE).output,
    }
    for output in shown.values():
        check(output)
    for name in ("show", "list", "errors", "acts", "stats"):
        assert "pay\\x1b" in shown[name], (name, shown[name])
    assert not any(line.lstrip().startswith("forged line") for line in shown["show"].splitlines())
    assert not any(line.lstrip().startswith("forged line") for line in shown["list"].splitlines())


def test_json_is_the_same_value_and_has_none_either(url: str) -> None:
    with hydra.Engine(url) as engine:
        engine.submit(hostile_bill.bind(HOSTILE), key=HOSTILE)
    output = run(url, "list", "--json").output
    check(output)
    assert [each["key"] for each in json.loads(output)] == [HOSTILE]
    assert json.loads(json.dumps("".join(map(chr, SHOWN_IN_JSON)), ensure_ascii=False).translate(SHOWN_IN_JSON))


def test_reason_beside_an_id_says_why_for_a_signal_too(url: str) -> None:
    with hydra.Engine(url) as engine:
        handle = engine.submit(hostile_wait.bind("a"), key="a")
        run(url, "signal", handle.id, "ask", "1", "--reason", "she called")
        run(url, "signal", handle.id, "ask", "--reason", "again")
        assert [act.reason for act in handle.acts()] == ["she called", "again"]
        run(url, "signal", handle.id, "ask", "1", "--reason", "x", "--because", "y", code=2)
        run(url, "signal", "ask", "1", "--reason", "is a filter without an id", "--yes")
        run(url, "signal", handle.id, "ask", "1", "--status", "failed", code=2)
        assert len(handle.acts()) == 2


def test_what_click_refuses_is_shown_by_number_too(url: str) -> None:
    for arguments in (["list", "--status", HOSTILE], ["acts", "--since", HOSTILE], [f"show{HOSTILE}"]):
        done = run(url, *arguments, code=2)
        assert "\\x1b[2J" in done.output
        assert not [each for each in done.output if category(each) in ("Cc", "Cf") and each not in "\n\t"]
