"""The commands on real work under a real supervisor: what they print, and their exit codes."""

from __future__ import annotations

import signal
import time

from tests.cli.terminal import WAIT_SECONDS, Terminal

INVOICE = '{"invoice": {"number": "7", "amount": "12.50", "due": "2026-03-01"}, "copies": 3}'


def submit(terminal: Terminal, *arguments: str) -> str:
    answer = terminal.hydra("submit", *arguments)
    assert answer.code == 0, answer.error
    return answer.out.strip()


def test_an_execution_from_submit_to_its_timeline(terminal: Terminal) -> None:
    terminal.start()
    id = submit(terminal, "bill", INVOICE, "--key", "inv-7", "--tag", "run=2026-03", "--priority", "2")
    result = terminal.hydra("result", id)
    assert result.code == 0, result.error
    assert result.json == {"number": "7", "amount": "75.00", "due": "2026-03-01"}
    assert submit(terminal, "bill", INVOICE, "--key", "inv-7") == id

    shown = terminal.hydra("show", id)
    assert shown.code == 0
    for part in (
        "inv-7",
        "completed",
        "run=2026-03",
        "sleep",
        "step charge",
        "will be tried again",
        "the provider is gone",
    ):
        assert part in shown.out
    details = terminal.hydra("show", id, "--json").json
    assert [(step["name"], step["status"], step["attempts"]) for step in details["steps"]] == [
        ("charge", "completed", 2)
    ]
    whats = [entry["what"] for entry in details["timeline"]]
    assert whats[0] == "submitted"
    assert whats[-1] == "completed"

    [listed] = terminal.hydra(
        "list", "--workflow", "bill", "--status", "completed", "--tag", "run=2026-03", "--json"
    ).json
    assert (listed["id"], listed["key"]) == (id, "inv-7")
    assert id in terminal.hydra("list").out
    assert terminal.hydra("stats", "--json").json["counts"] == {"bill": {"completed": 1}}
    [node] = terminal.hydra("nodes", "--json").json
    assert node["state"] == "alive"
    assert node["info"]["id"] in terminal.hydra("nodes").out
    assert terminal.hydra("audit").code == 0
    assert terminal.hydra("audit", "--json").json == []


def test_times_and_decimals_reach_the_workflow_as_such(terminal: Terminal) -> None:
    (terminal.folder / "app.py").write_text(
        "import hydra\nfrom datetime import datetime, time\nfrom decimal import Decimal\n\n"
        "@hydra.workflow\ndef kinds(at: datetime, by: time | None, price: Decimal) -> list[str]:\n"
        "    return [type(at).__name__, type(by).__name__, type(price).__name__]\n"
    )
    terminal.start()
    id = submit(terminal, "kinds", '["2026-03-01T06:00:00Z", "06:00", 3]')
    assert terminal.hydra("result", id).json == ["datetime", "time", "Decimal"]
    answer = terminal.refused("submit", "kinds", '["yesterday", null, 3]')
    assert "`at` must be a string (date-time)" in answer.error


def test_positional_arguments_come_as_an_array_and_long_ones_from_standard_input(terminal: Terminal) -> None:
    terminal.start()
    answer = terminal.hydra("submit", "bill", "-", input='[{"number": "7", "amount": "1", "due": "2026-03-01"}]')
    assert terminal.hydra("result", answer.out.strip()).json["amount"] == "2"


def test_a_failed_execution_shows_its_traceback_and_can_be_retried(terminal: Terminal) -> None:
    terminal.start()
    id = submit(terminal, "break_down", '["no reason"]')
    result = terminal.hydra("result", id)
    assert result.code == 1
    assert "raise ValueError(why)" in result.error
    assert result.error.rstrip().endswith("failed: ValueError: no reason")
    assert "ValueError: no reason" in terminal.hydra("list", "--status", "failed").out
    assert terminal.hydra("retry", id).code == 0
    assert terminal.hydra("result", id).code == 1
    assert "claim 2" in terminal.hydra("show", id).out


def test_g7_a_result_that_cannot_be_kept_fails_the_execution_with_a_clear_reason(terminal: Terminal) -> None:
    terminal.start()
    result = terminal.hydra("result", submit(terminal, "unkeepable"))
    assert result.code == 1
    assert "PayloadError" in result.error


def test_a_sleeping_execution_is_cancelled(terminal: Terminal) -> None:
    terminal.start()
    id = submit(terminal, "sleep_long")
    deadline = time.monotonic() + WAIT_SECONDS
    while terminal.hydra("show", id, "--json").json["execution"]["status"] != "sleeping":
        assert time.monotonic() < deadline
    assert terminal.hydra("cancel", id).code == 0
    result = terminal.hydra("result", id)
    assert result.code == 1
    assert "was cancelled" in result.error


def test_a_result_that_is_not_there_in_time_is_exit_code_1(terminal: Terminal) -> None:
    id = submit(terminal, "bill", INVOICE)
    result = terminal.hydra("result", id, "--timeout", "10ms")
    assert result.code == 1
    assert "it goes on" in result.error


def test_due_work_that_no_node_serves_is_named_when_submitted_and_in_the_stats(terminal: Terminal) -> None:
    submitted = terminal.hydra("submit", "nobody_serves_this", "{}")
    assert submitted.code == 0
    assert "warning: no supervisor has served workflow `nobody_serves_this`" in submitted.error
    stats = terminal.hydra("stats")
    assert stats.code == 0
    assert "1 due of workflow `nobody_serves_this`, which no living node serves" in stats.error


def test_r24_purge_deletes_what_ended_long_ago(terminal: Terminal) -> None:
    terminal.start()
    id = submit(terminal, "break_down", '["x"]')
    terminal.hydra("result", id)
    assert terminal.hydra("purge", "--older-than", "1h").out == "0 executions deleted\n"
    assert terminal.hydra("purge", "--older-than", "0s").out == "1 executions deleted\n"
    assert terminal.refused("show", id).code == 1


def test_migrate_makes_the_tables_once(terminal: Terminal) -> None:
    assert "migrated to" in terminal.hydra("migrate").out
    assert "is current" in terminal.hydra("migrate").out


def test_namespaces_see_nothing_of_each_other(terminal: Terminal) -> None:
    id = submit(terminal, "bill", INVOICE, "--namespace", "a")
    assert terminal.hydra("list", "--namespace", "a", "--json").json[0]["id"] == id
    assert terminal.hydra("list", "--json").json == []
    assert terminal.refused("show", id).code == 1


def test_a_supervisor_that_drains_exits_0(terminal: Terminal) -> None:
    supervisor = terminal.start("--log-format", "json", "--lease-ttl", "2s")
    supervisor.send_signal(signal.SIGTERM)
    assert supervisor.wait(WAIT_SECONDS) == 0


def test_every_command_has_help_that_says_what_it_does(terminal: Terminal) -> None:
    top = terminal.hydra("--help").out
    commands = "start submit list show result cancel retry resume nodes stats audit purge migrate demo"
    for name in commands.split():
        assert f"  {name} " in top
        assert terminal.hydra(name, "--help").code == 0


def test_a_signal_reaches_an_execution_by_id_or_by_workflow_and_key(terminal: Terminal) -> None:
    id = submit(terminal, "bill", INVOICE, "--key", "inv-9")
    assert terminal.hydra("signal", id, "approved", '{"by": "ops"}').out == f"{id} signalled\n"
    assert terminal.hydra("signal", "approved", "--workflow", "bill", "--key", "inv-9").code == 0
    for value in ("1", "1"):
        assert terminal.hydra("signal", id, "paid", value, "--id", "evt_123").code == 0
    assert "signal `evt_123` was sent" in terminal.refused("signal", id, "paid", "2", "--id", "evt_123").error
    assert terminal.hydra("signal", id).code == 2
    assert terminal.hydra("signal", id, "approved", "{").code == 2
    assert terminal.hydra("cancel", id).code == 0
    refused = terminal.hydra("signal", id, "approved")
    assert (refused.code, "takes no event" in refused.error) == (1, True)


def test_a_callback_is_completed_by_its_token(terminal: Terminal) -> None:
    (terminal.folder / "app.py").write_text(
        "from decimal import Decimal\nfrom pathlib import Path\nimport hydra\n\n"
        "@hydra.step\ndef hand_out(token: str) -> None:\n    Path('token').write_text(token)\n\n"
        "@hydra.workflow\ndef pay() -> Decimal:\n    token = hydra.callback_token()\n    hand_out(token)\n"
        "    return hydra.wait_callback(token, type=Decimal)\n"
    )
    terminal.start()
    id = terminal.hydra("submit", "pay", "[]").out.split()[0]
    path = terminal.folder / "token"
    while not path.exists() or not path.read_text():
        terminal.hydra("list")
    token = path.read_text()
    assert terminal.hydra("complete", token, "1", "--fail", "no").code == 2
    assert terminal.hydra("complete", token, "{").code == 2
    assert "unknown or has expired" in terminal.refused("complete", f"{id}.guessed", "1").error
    assert terminal.hydra("complete", token, '"1.10"').out == f"{id} completed\n"
    assert terminal.hydra("result", id).out == '"1.10"\n'
    assert terminal.hydra("complete", token, '"1.10"').code == 0
    assert "with something else" in terminal.refused("complete", token, "2").error


def test_a_step_in_doubt_is_settled_by_a_person(terminal: Terminal) -> None:
    terminal.start()
    id = submit(terminal, "pay", '["12.50"]')
    deadline = time.monotonic() + WAIT_SECONDS
    while id not in (parked := terminal.hydra("list", "--status", "parked").out):
        assert time.monotonic() < deadline
    assert "in doubt" in parked
    assert "is parked: step" in terminal.refused("result", id, "--timeout", "10ms").error
    assert terminal.hydra("resolve", id, "transfer").code == 2
    assert terminal.hydra("resolve", id, "transfer", "--rerun", "--value", "1").code == 2
    assert terminal.hydra("resolve", id, "charge", "--rerun").code == 1
    answer = terminal.hydra("resolve", id, "transfer", "--value", '"12.50"')
    assert (answer.code, answer.out.strip()) == (0, f"{id} pending")
    assert terminal.hydra("result", id).json == "12.50"
    assert "step transfer resolved by a person" in terminal.hydra("show", id).out
    assert terminal.hydra("resolve", id, "transfer", "--rerun").code == 1
    assert terminal.hydra("audit").code == 0
