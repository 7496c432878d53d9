"""`replay`: a production execution as a test fixture, replayed by the code under test. Nothing happens to anybody.

    hydra show ID --json > bill-42.json          replay("bill-42.json", bill): a Replay, or NonDeterminismError

The real hub and executor do it, under a lease that lets no step start.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from hydra import codec
from hydra.client.exports import Export, read_export
from hydra.clock import boottime_ns
from hydra.definitions import Workflow
from hydra.errors import HydraError, NonDeterminismError
from hydra.execution import Claimed, Ending, Record, Status
from hydra.frames import Ended, FromWorker, Halt, Run
from hydra.worker.hub import Hub
from hydra.workflow import Registry

TOKEN = 1
QUIET_ROUNDS = 3  # of the hub in which nothing happened, before a replay stands still
LOOP_SECONDS = 30.0  # for an async body to come to rest


class Replay(msgspec.Struct, frozen=True):
    """How a replay went: `is_complete` when the body came to its end, else it stands where the records end."""

    record_count: int
    is_complete: bool
    result: Any = None
    error: BaseException | None = None


def replay(exported: Export | dict[str, Any] | str | Path, workflow: Workflow[..., Any]) -> Replay:
    """Replay a production execution by the code of `workflow`, without effects.

        def test_the_new_code_replays_what_ran_in_november() -> None:
            assert replay("tests/bill-42.json", bill).is_complete

    No step runs: its outcome comes from the records.

    Args:
        exported: what `hydra show ID --json` printed: its path, its text, or what that says; or `Handle.export()`.
        workflow: the code under test.

    Raises:
        NonDeterminismError: the code asks for something else than was recorded, or ends otherwise; it shows both sides.
    """
    export = read_export(exported)
    if not isinstance(workflow, Workflow):
        raise HydraError(f"`replay` takes a workflow, such as `bill`, not {workflow!r:.80}")
    if export.workflow != workflow.name:
        raise HydraError(f"execution `{export.id}` is one of workflow `{export.workflow}`, not of `{workflow.name}`")
    records = export.read_records()
    ended = run_to_rest(claimed_of(export, records), workflow, records)
    return judge(export, len(records), ended)


def claimed_of(export: Export, records: list[Record]) -> Claimed:
    is_cancelled = export.status == Status.CANCELLED
    return Claimed(
        export.id, 1, export.workflow, None, export.read_input(), export.attempt, 0, 0, 0,
        export.submitted_at, None, 0,
        is_cancelled, 0, 0, export.tags, records,
    )  # fmt: skip


class FrozenLease:
    """Time stands after everything that was recorded, and no step may start."""

    def __init__(self, records: list[Record]) -> None:
        self._now = max((max(record.finished_at, record.due_at) for record in records), default=0) + 1

    def may_start(self) -> bool:
        return False

    def now(self) -> int:
        return self._now

    def boottime_ns(self) -> int:
        return boottime_ns()


def run_to_rest(claimed: Claimed, workflow: Workflow[..., Any], records: list[Record]) -> Ended | None:
    """How the execution ended, or None where it stands and waits."""
    registry = Registry()
    registry.add_workflow(workflow)
    ends: list[Ended] = []

    def send(frames: list[FromWorker]) -> None:
        ends.extend(frame for frame in frames if isinstance(frame, Ended))

    hub = Hub(registry, send, FrozenLease(records))
    hub.has_hooks = False
    try:
        hub.deliver([Run(TOKEN, claimed)])
        rest(hub)
        found = ends[0] if ends else None
        hub.deliver([Halt(TOKEN, "lost")])  # its branches end here, rather than whenever they are collected
        rest(hub)
        return found
    finally:
        hub.close()


def rest(hub: Hub) -> None:
    quiet_count = 0
    while quiet_count < QUIET_ROUNDS:
        is_busy = hub.has_news
        hub.turn()
        if not hub.wait_quiet(LOOP_SECONDS):
            raise HydraError(f"the replay's event loop did not come to rest within {LOOP_SECONDS:g} s")
        quiet_count = 0 if is_busy or hub.has_news else quiet_count + 1


def judge(export: Export, record_count: int, ended: Ended | None) -> Replay:
    """A Replay where the code agrees with what was recorded and with how the execution ended."""
    kind = "" if ended is None else ended.end.kind
    payload = None if ended is None else ended.end.payload
    if kind == Ending.PARKED and payload is not None:
        raise NonDeterminismError(str(codec.decode(payload)))
    is_complete = kind in (Ending.COMPLETED, Ending.FAILED, Ending.RETRY, Ending.CANCELLED, Ending.CONTINUED)
    if export.status == Status.COMPLETED:
        recorded = export.read_outcome()
        expected = None if recorded is None else codec.decode(recorded)
        if kind != Ending.COMPLETED or payload is None:
            raise NonDeterminismError(f"{subject(export)} completed, and the code {END_IN_WORDS.get(kind, GOES_ON)}")
        if codec.decode(payload) != expected:
            said = f"the code returns {codec.decode(payload)!r:.200}"
            raise NonDeterminismError(f"{subject(export)} returned {expected!r:.200}, and {said}")
    elif export.status == Status.FAILED and kind == Ending.COMPLETED:
        raise NonDeterminismError(f"{subject(export)} failed, and the code returns")
    if kind == Ending.COMPLETED and payload is not None:
        return Replay(record_count, True, codec.decode(payload))
    if kind in (Ending.FAILED, Ending.RETRY) and payload is not None:
        return Replay(record_count, True, None, codec.rebuild_exception(codec.read_failure(payload)))
    return Replay(record_count, is_complete)


GOES_ON = "asks for more than was recorded"
END_IN_WORDS: dict[str, str] = {
    Ending.FAILED: "raises",
    Ending.RETRY: "raises",
    Ending.CONTINUED: "begins again",
}


def subject(export: Export) -> str:
    return f"execution `{export.id}` of workflow `{export.workflow}`"
