"""`hydra check` and `hydra fork` as a user runs them."""

from __future__ import annotations

import time

import hydra

from tests.cli.terminal import WAIT_SECONDS, Terminal

OLD = """
import hydra

@hydra.step
def act(name: str) -> str:
    print(f"effect {name}", flush=True)
    return name

@hydra.workflow
def deal(name: str) -> str:
    act(name)
    hydra.wait_event("go")
    return act("last " + name)
"""


def wait_for(terminal: Terminal, id: str, status: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    with hydra.Engine(terminal.url) as engine:
        while engine.get(id).status() != status:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_check_is_the_gate_of_a_deploy(terminal: Terminal) -> None:
    (terminal.folder / "app.py").write_text(OLD)
    terminal.start()
    id = terminal.hydra("submit", "deal", '["first"]').out.strip()
    wait_for(terminal, id, "waiting")
    (terminal.folder / "same.py").write_text(OLD)
    same = terminal.hydra("check", "same")
    assert (same.code, same.out) == (0, "")
    assert "1 open executions checked, and none differs" in same.error
    (terminal.folder / "other.py").write_text(OLD.replace("    act(name)\n", "    hydra.now()\n    act(name)\n"))
    other = terminal.hydra("check", "other")
    assert other.code == 1
    assert id in other.out
    assert "other.py:11 in `deal`" in other.out
    assert "effect" not in other.out
    assert "1 of 1 open executions differ from this code" in other.error
    found = terminal.hydra("check", "other", "--json")
    assert found.code == 1
    assert (found.json["checked"], found.json["diverge"], found.json["unknown"]) == (1, 1, {})
    assert found.json["executions"][0]["record"] == "`act` number 1"
    assert found.json["executions"][0]["code"] == "`hydra.now` number 1"
    (terminal.folder / "empty.py").write_text("import hydra\n")
    empty = terminal.hydra("check", "empty")
    assert empty.code == 0
    assert "warning: 1 are of workflow `deal`, which `empty` does not have" in empty.error
    broken = terminal.hydra("check", "nowhere")
    assert broken.code == 2
    assert "no module `nowhere`" in broken.error


def test_fork_runs_the_rest_anew_and_show_says_where_it_comes_from(terminal: Terminal) -> None:
    (terminal.folder / "app.py").write_text(OLD)
    terminal.start()
    id = terminal.hydra("submit", "deal", '["first"]').out.strip()
    wait_for(terminal, id, "waiting")
    assert terminal.hydra("signal", id, "go").code == 0
    wait_for(terminal, id, "completed")
    fork = terminal.hydra("fork", id, "--from-step", "act", "--number", "2", "--json")
    assert fork.code == 0, fork.error
    assert terminal.hydra("result", fork.json["id"]).json == "last first"
    shown = terminal.hydra("show", fork.json["id"])
    assert f"hydra.forked_from={id}" in shown.out
    assert f"forked from `{id}` before step `act`" in shown.out
    other = terminal.hydra("fork", id, "--from-step", "act", "--input", '{"name": "second"}')
    wait_for(terminal, other.out.strip(), "waiting")
    refused = terminal.refused("fork", id, "--from-step", "nothing")
    assert refused.code == 1
    assert "recorded are `act`" in refused.error
    assert terminal.hydra("audit").code == 0
