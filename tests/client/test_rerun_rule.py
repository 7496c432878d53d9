"""What may be run again without force: every history of a few steps, children, maps and undo steps, by one rule."""

from __future__ import annotations

from hydra import codec
from hydra.errors import StepTimeout
from hydra.execution import UNDO_BRANCH, Record, RecordKind
from hydra.records.ends import UNDOING
from hydra.records.map_outcomes import CHUNK_PREFIX
from hydra.records.placed import asked_as
from hydra.records.reruns import doubt_after, standing_effect
from hypothesis import example, given
from hypothesis import strategies as st

REFUSED = codec.encode_failure(ValueError("declined"))
LATE = codec.encode_failure(StepTimeout("too late"))
K = RecordKind
EFFECTS = {  # what happened to one call: its records
    "succeeded": [(K.STEP, "", None)],
    "killed once": [(K.CRASH, "", None), (K.STEP, "", None)],
    "failed once": [(K.TRY, "", REFUSED), (K.STEP, "", None)],
    "on its own": [(K.SPAWN, "placed", None), (K.STEP, "", None)],
    "child": [(K.SPAWN, "child", None)],
    "map": [(K.STEP, CHUNK_PREFIX, None)],
}
NOTHING = {"declined": [(K.FAILURE, "", REFUSED)], "declined twice": [(K.TRY, "", REFUSED), (K.FAILURE, "", REFUSED)]}
DOUBTS = {
    "killed": [(K.CRASH, "", None)],
    "killed, then failed": [(K.CRASH, "", None), (K.FAILURE, "", REFUSED)],
    "looked up": [(K.START, "", None), (K.FAILURE, "", REFUSED)],
    "late": [(K.FAILURE, "", LATE)],
    "late, then given up": [(K.TRY, "", LATE)],
    "failed on its own": [(K.SPAWN, "placed", None), (K.FAILURE, "", REFUSED)],
}
CALLS = EFFECTS | NOTHING | DOUBTS


def history(calls: list[str], undone: int, failed: int) -> list[Record]:
    records: list[Record] = []

    def add(kind: str, branch: str, name: str, payload: bytes | None) -> None:
        records.append(Record(len(records) + 1, kind, branch, name, 0, 1, b"", payload, 0, 0))

    for number, call in enumerate(calls):
        for kind, how, payload in CALLS[call]:
            step = f"step{number}"
            name = asked_as(step, 1) if how == "placed" else how + step
            add(str(kind), "", name, payload)
    if undone or failed:
        add(str(K.VALUE), UNDO_BRANCH, UNDOING, b"")
        for number in range(undone + failed):
            add(str(K.STEP if number < undone else K.FAILURE), UNDO_BRANCH, f"undo{number}", REFUSED)
    return records


@given(st.lists(st.sampled_from(sorted(CALLS)), max_size=5), st.integers(0, 5), st.integers(0, 1))
@example(["succeeded", "succeeded"], 1, 0)  # the second charge had no undo step
@example(["looked up"], 0, 0)
@example(["late"], 0, 0)
@example(["succeeded", "failed on its own"], 1, 0)
def test_as_much_was_undone_as_took_effect_and_nothing_is_in_doubt(calls: list[str], undone: int, failed: int) -> None:
    effects = sum(call in EFFECTS for call in calls)
    is_safe = not failed and effects <= undone and not any(call in DOUBTS for call in calls)
    assert (standing_effect(history(calls, undone, failed), 1) is None) is is_safe


@given(st.lists(st.sampled_from(sorted(CALLS)), max_size=5), st.integers(0, 12))
@example(["late", "succeeded"], 1)  # it keeps that failure
@example(["killed", "succeeded"], 1)  # what crashed before runs again, too
def test_a_fork_runs_no_step_in_doubt_again(calls: list[str], count: int) -> None:
    records = history(calls, 0, 0)
    kept = {each.name for each in records[:count] if each.kind in (K.STEP, K.FAILURE)}
    again = [f"step{n}" for n, call in enumerate(calls) if call in DOUBTS and f"step{n}" not in kept]
    found = doubt_after(records, count)
    assert found in again if again else found is None


def test_a_person_s_word_that_a_fork_takes_along_stands_and_a_superseded_failure_does_not() -> None:
    def record(seq: int, kind: str, payload: bytes | None = None, ordinal: int = 0) -> Record:
        return Record(seq, str(kind), "", "" if kind == K.SUPERSEDE else "pay", ordinal, 1, b"", payload, 0, 0)

    resolved = [record(1, K.START), record(2, K.RESOLUTION, b"paid")]
    assert doubt_after(resolved, 2) is None and doubt_after(resolved, 1) == "pay"
    assert doubt_after([record(1, K.START), record(2, K.RESOLUTION)], 2) == "pay"
    failed = [record(1, K.START), record(2, K.FAILURE, REFUSED), record(3, K.SUPERSEDE, ordinal=2)]
    assert doubt_after(failed, 2) is None and doubt_after(failed, 3) == "pay"
