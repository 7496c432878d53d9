"""The examples' flows while much of what the database is asked fails. `flow_faults.py` is the same at length."""

from __future__ import annotations

from pathlib import Path

from tests.processes.flow_faults import run_with_faults

EXECUTIONS = 14
SHARE = 0.3
LIMIT_SECONDS = 6.0


def test_g3_g4_flows_survive_a_database_that_fails_a_third_of_the_time(tmp_path: Path, url: str) -> None:
    store = url.partition(":")[0].replace("postgresql", "postgres")
    account = run_with_faults(tmp_path, url, store, EXECUTIONS, [SHARE], seed=1, limit=LIMIT_SECONDS)
    print(*account.lines(), sep="\n")
    assert account.wrong == []
    assert account.records >= 14 * EXECUTIONS


def test_a_step_that_began_again_after_its_record_is_found(tmp_path: Path) -> None:
    """The check itself: one more try of a step that is recorded, written by hand."""
    from tests.processes import flow_checks

    url = f"sqlite:///{tmp_path}/flows.db"
    account = run_with_faults(tmp_path, url, "sqlite", 1, [0.3], seed=1, limit=LIMIT_SECONDS)
    assert not any("again" in line for line in account.wrong)
    lines = (tmp_path / "tries").read_text().splitlines()
    *place, _, instant = next(line for line in lines if "\tstart\t" in line).split("\t")
    with (tmp_path / "tries").open("a") as file:
        file.write("\t".join([*place, "start", str(int(instant) + 60_000_000)]) + "\n")
    assert len(flow_checks.reruns(url, tmp_path / "tries")[1]) == 1
