"""`hydra schedules` and its orders, under a real supervisor."""

from __future__ import annotations

import time

import pytest

from tests.cli.terminal import WAIT_SECONDS, Terminal

APP = """
import hydra


@hydra.workflow(schedule=hydra.Cron("0 6 1 1 *", timezone="Europe/Berlin", overlap="allow"))
def year_end() -> str:
    return hydra.current().tags.get("tick", "by hand")
"""


@pytest.fixture
def scheduled(terminal: Terminal) -> Terminal:
    """A supervisor has registered the schedule of `year_end`."""
    (terminal.folder / "app.py").write_text(APP)
    terminal.start()
    deadline = time.monotonic() + WAIT_SECONDS
    while not terminal.hydra("schedules", "--json").out.strip().startswith("[\n"):
        assert time.monotonic() < deadline
    return terminal


def test_schedules_are_listed_with_their_state_and_ticks(scheduled: Terminal) -> None:
    [listed] = scheduled.hydra("schedules", "--json").json
    assert (listed["name"], listed["state"], listed["timezone"]) == ("year_end", "active", "Europe/Berlin")
    assert listed["next_at"].endswith("-01-01T05:00:00Z")
    assert listed["last_at"] is None
    table = scheduled.hydra("schedules").out
    for part in ("year_end", "active", "0 6 1 1 *", "Europe/Berlin", "-01-01 05:00:00", "last / allow"):
        assert part in table


def test_a_schedule_is_paused_and_goes_on(scheduled: Terminal) -> None:
    assert scheduled.hydra("schedules", "pause", "year_end").code == 0
    [listed] = scheduled.hydra("schedules", "--json").json
    assert (listed["state"], listed["next_at"]) == ("paused", None)
    assert scheduled.hydra("schedules", "resume", "year_end").code == 0
    assert scheduled.hydra("schedules", "--json").json[0]["state"] == "active"


def test_a_schedule_is_triggered_and_backfilled(scheduled: Terminal) -> None:
    triggered = scheduled.hydra("schedules", "trigger", "year_end")
    assert triggered.code == 0, triggered.error
    assert scheduled.hydra("result", triggered.out.strip()).json == "by hand"
    order = ["backfill", "year_end", "--from", "2020-01-01T06:00", "--to", "2022-12-31"]
    filled = scheduled.hydra("schedules", *order, "--json")
    assert filled.code == 0, filled.error
    results = [scheduled.hydra("result", id).json for id in filled.json]
    assert results == [f"{year}-01-01T05:00:00+00:00" for year in (2020, 2021, 2022)]
    again = scheduled.hydra("schedules", "--db", scheduled.url, *order)
    assert again.out == "0 executions submitted\n"
    assert scheduled.hydra("audit").code == 0


@pytest.mark.parametrize(
    ("command", "code", "sentence"),
    [
        (["pause", "month_end"], 1, "no schedule `month_end` in namespace `default`: none was registered yet"),
        (["trigger", "month_end"], 1, "no schedule `month_end`"),
        (["backfill", "month_end", "--from", "2020-01-01", "--to", "2021-01-01"], 1, "no schedule `month_end`"),
        (["backfill", "month_end", "--from", "yesterday", "--to", "2021-01-01"], 2, "`yesterday` is not a time"),
    ],
)
def test_orders_that_cannot_be(terminal: Terminal, command: list[str], code: int, sentence: str) -> None:
    terminal.hydra("migrate")
    answer = terminal.refused("schedules", *command)
    assert answer.code == code
    assert sentence in answer.error


def test_a_bad_expression_ends_the_start_with_its_line_and_one_sentence(terminal: Terminal) -> None:
    (terminal.folder / "app.py").write_text(APP.replace("0 6 1 1 *", "0 6 32 1 *"))
    answer = terminal.hydra("start", "app")
    assert answer.code == 2
    assert "app.py" in answer.error
    assert "`0 6 32 1 *` is not a cron expression" in answer.error
