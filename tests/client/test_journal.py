"""Group commit: acknowledged after the commit, in batches that form by themselves, each failure to its own caller."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import FrameType

import pytest
from hydra import _core
from hydra import journal as journal_module
from hydra.errors import HydraError, StoreUnavailable
from hydra.execution import Submission, Submitted
from hydra.journal import Journal
from hydra.stores import open_store
from hydra.stores.filter import Filter
from hydra.stores.store import Store

from tests.processes.scene import until


class Gate:
    """A commit that waits at a gate, so that a test decides what gathers behind it."""

    def __init__(self, fail: Callable[[Sequence[int]], Exception | None] = lambda items: None) -> None:
        self.batches: list[list[int]] = []
        self.entered = threading.Semaphore(0)
        self.opened = threading.Semaphore(0)
        self._fail = fail

    def commit(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        self.entered.release()
        self.opened.acquire()
        error = self._fail(items)
        if error is not None:
            raise error
        return [item * 10 for item in items]

    def open(self, times: int = 1_000) -> None:
        self.opened.release(times)


def in_thread(work: Callable[[], object]) -> Callable[[], object]:
    """Run it now; the answer is its result or its error."""
    answers: list[object] = []

    def run() -> None:
        try:
            answers.append(work())
        except BaseException as error:
            answers.append(error)

    thread = threading.Thread(target=run)
    thread.start()

    def answer() -> object:
        thread.join()
        return answers[0]

    return answer


def gather(journal: Journal[int, int], gate: Gate, items: Sequence[int]) -> list[Callable[[], object]]:
    """One writer that is committing, and these items in the queue behind it, in this order."""
    answers = [in_thread(lambda: journal.write(0))]
    gate.entered.acquire()
    for place, item in enumerate(items, 1):
        answers.append(in_thread(lambda item=item: journal.write(item)))
        while len(journal._queue) < place:
            pass
    return answers


def journal_of(gate: Gate, **limits: int) -> Journal[int, int]:
    return Journal(gate.commit, lambda item: item, **limits)


def test_a_lone_writer_commits_in_its_own_thread() -> None:
    threads: list[int] = []

    def commit(items: Sequence[str]) -> list[str]:
        threads.append(threading.get_ident())
        return [item.upper() for item in items]

    journal = Journal(commit, len)
    assert journal.write("a") == "A"
    assert journal.write_many(["b", "c"]) == ["B", "C"]
    assert journal.write_many([]) == []
    assert threads == [threading.get_ident()] * 2


def test_what_arrives_while_one_commit_is_under_way_is_the_next() -> None:
    gate = Gate()
    answers = gather(journal_of(gate), gate, [1, 2, 3, 4])
    gate.open()
    assert [answer() for answer in answers] == [0, 10, 20, 30, 40]
    assert gate.batches == [[0], [1, 2, 3, 4]]


def test_g1_nothing_is_acknowledged_before_its_commit_returned() -> None:
    gate = Gate()
    answered = threading.Event()
    thread = threading.Thread(target=lambda: (journal_of(gate).write(1), answered.set()))
    thread.start()
    gate.entered.acquire()
    assert not answered.wait(0.05)
    gate.open()
    thread.join()
    assert answered.is_set()


def test_a_batch_has_a_limit_of_items_and_of_bytes() -> None:
    gate = Gate()
    answers = gather(journal_of(gate, max_items=3, max_bytes=100), gate, [1, 2, 3, 4, 5, 60, 41, 500, 1])
    gate.open()
    for answer in answers:
        answer()
    assert gate.batches == [[0], [1, 2, 3], [4, 5, 60], [41], [500], [1]]


def test_many_items_of_one_writer_stay_in_one_transaction() -> None:
    gate = Gate()
    gate.open()
    assert journal_of(gate, max_items=2).write_many([1, 2, 3, 4, 5]) == [10, 20, 30, 40, 50]
    assert gate.batches == [[1, 2, 3, 4, 5]]


def test_g7_one_item_at_fault_fails_alone() -> None:
    gate = Gate(lambda items: ValueError("poison") if 3 in items else None)
    answers = gather(journal_of(gate), gate, [1, 2, 3, 4, 5])
    gate.open()
    results = [answer() for answer in answers]
    assert [result for result in results if not isinstance(result, Exception)] == [0, 10, 20, 40, 50]
    assert repr(results[3]) == "ValueError('poison')"


def test_of_many_items_the_sound_ones_are_committed_before_the_error_is_raised() -> None:
    committed: list[int] = []

    def commit(items: Sequence[int]) -> Sequence[int]:
        if 3 in items:
            raise ValueError("poison")
        committed.extend(items)
        return items

    journal: Journal[int, int] = Journal(commit, lambda item: 1)
    with pytest.raises(ValueError, match="poison"):
        journal.write_many([1, 2, 3, 4])
    assert committed == [1, 2, 4]
    answers = journal.write_each([5, 3])
    assert answers[0] == 5
    assert isinstance(answers[1], ValueError)


@pytest.mark.parametrize("outcome", ["unknown", None])
def test_r16_a_store_that_cannot_serve_is_asked_once_and_everybody_is_told(outcome: str | None) -> None:
    gate = Gate(lambda items: StoreUnavailable("no", outcome=outcome) if 1 in items else None)
    answers = gather(journal_of(gate), gate, [1, 2, 3])
    gate.open()
    errors = [answer() for answer in answers][1:]
    assert gate.batches == [[0], [1, 2, 3]]
    assert len({id(error) for error in errors}) == 3
    for error in errors:
        assert isinstance(error, StoreUnavailable)
        assert (str(error), error.outcome) == ("no", outcome)


class SoftTimeLimit(Exception):
    """As job queues raise it from a signal's handler."""


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SoftTimeLimit, TimeoutError])
def test_an_interrupted_leader_tells_the_others_and_hands_on_the_lead(kind: type[BaseException]) -> None:
    def interrupt(items: Sequence[int]) -> Exception | None:
        if 1 in items:
            raise kind
        return None

    gate = Gate(interrupt)
    journal = journal_of(gate, max_items=2)
    answers = gather(journal, gate, [1, 2, 3])
    gate.open()
    results = [answer() for answer in answers]
    assert isinstance(results[1], kind)
    assert isinstance(results[2], StoreUnavailable)
    assert results[2].outcome == "unknown"
    assert results[3] == 30
    assert journal.write(4) == 40


def test_a_lone_writer_that_fails_or_is_interrupted_hands_on_the_lead() -> None:
    def fail(items: Sequence[int]) -> Exception | None:
        if 1 in items:
            raise KeyboardInterrupt
        return ValueError("no 2") if 2 in items else None

    journal = journal_of(gate := Gate(fail))
    gate.open()
    with pytest.raises(KeyboardInterrupt):
        journal.write(1)
    with pytest.raises(ValueError, match="no 2"):
        journal.write(2)
    assert journal.write(3) == 30
    journal.close()


def test_what_is_queued_behind_a_lone_writer_that_was_interrupted_goes_on() -> None:
    def interrupt(items: Sequence[int]) -> Exception | None:
        if 0 in items:
            raise KeyboardInterrupt
        return None

    gate = Gate(interrupt)
    answers = gather(journal_of(gate), gate, [1, 2])
    gate.open()
    results = [answer() for answer in answers]
    assert isinstance(results[0], KeyboardInterrupt)
    assert results[1:] == [10, 20]


def test_another_write_takes_its_turn_in_its_own_thread() -> None:
    gate = Gate()
    journal = journal_of(gate)
    order: list[object] = []
    answers = gather(journal, gate, [1, 2])
    verb = in_thread(lambda: journal.run(lambda: order.append((threading.get_ident(), list(gate.batches))) or "done"))
    while len(journal._queue) < 3:
        pass
    late = in_thread(lambda: journal.write(3))
    while len(journal._queue) < 4:
        pass
    gate.open()
    assert verb() == "done"
    assert [answer() for answer in answers] == [0, 10, 20]
    assert late() == 30
    ((thread, batches),) = order  # type: ignore[misc]
    assert batches == [[0], [1, 2]]
    assert thread != threading.get_ident()


def test_an_error_of_another_write_is_its_callers_alone() -> None:
    journal: Journal[int, int] = Journal(lambda items: items, lambda item: 1)
    with pytest.raises(ZeroDivisionError):
        journal.run(lambda: 1 // 0)
    assert journal.write(1) == 1


def test_closing_waits_for_what_came_before_and_refuses_what_comes_after() -> None:
    gate = Gate()
    journal = journal_of(gate)
    answers = gather(journal, gate, [1, 2])
    closed = in_thread(journal.close)
    while not journal._is_closed:
        pass
    with pytest.raises(HydraError, match="is closed"):
        journal.write(3)
    gate.open()
    assert closed() is None
    assert [answer() for answer in answers] == [0, 10, 20]
    journal.close()


def test_a_child_of_a_fork_starts_with_an_empty_journal() -> None:
    gate = Gate()
    journal = journal_of(gate)
    answers = gather(journal, gate, [1])
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        gate.open()
        os._exit(0 if journal.write(7) == 70 and gate.batches[-1] == [7] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    gate.open()
    assert [answer() for answer in answers] == [0, 10]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(f"sqlite:///{tmp_path}/hydra.db")
    store.open()
    yield store
    assert store.audit() == []
    store.close()


def test_sixty_four_threads_are_each_answered_with_their_own(store: Store) -> None:
    batch_sizes: list[int] = []

    def commit(submissions: Sequence[Submission]) -> list[Submitted]:
        batch_sizes.append(len(submissions))
        return store.submit(submissions, 1)

    journal = Journal(commit, lambda submission: len(submission.input))
    ids: list[str] = []
    all_there = threading.Barrier(64)

    def write() -> None:
        all_there.wait(60)
        for _ in range(20):
            id = _core.uuid7()
            assert journal.write(Submission(id, "bill", b"", b"")) == Submitted(id, True)
            ids.append(id)

    answers = [in_thread(write) for _ in range(64)]
    assert [answer() for answer in answers] == [None] * 64
    assert sum(batch_sizes) == len(ids) == 64 * 20
    assert len(batch_sizes) < len(ids) / 4
    assert None not in store.get(ids)


def test_a_key_the_database_cannot_hold_fails_for_its_writer_only(store: Store) -> None:
    journal: Journal[Submission, Submitted] = Journal(lambda items: store.submit(items, 1), lambda item: 1)
    items = [Submission(_core.uuid7(), "bill", b"", b"", key) for key in ("a", "b\0", "c")]
    answers = journal.write_each(items)
    assert [isinstance(answer, HydraError) for answer in answers] == [False, True, False]
    assert len(store.list(Filter())) == 2


PROGRAM = """
import sys, threading
from hydra import _core
from hydra.execution import Submission
from hydra.journal import Journal
from hydra.stores import open_store
store = open_store(sys.argv[1])
store.open()
journal = Journal(lambda items: store.submit(items, 1), lambda item: len(item.input))
told = threading.Lock()
def write():
    while True:
        id = _core.uuid7()
        assert journal.write(Submission(id, "bill", b"x", b"d")).created
        with told:
            print(id, flush=True)
for _ in range(16):
    threading.Thread(target=write).start()
"""


def test_g1_whatever_was_acknowledged_is_there_after_a_kill(store: Store, tmp_path: Path) -> None:
    for _ in range(5):
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, f"sqlite:///{tmp_path}/hydra.db"], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(200)]
        process.kill()
        lines += process.communicate()[0].splitlines(keepends=True)
        ids = [line.strip() for line in lines if line.endswith("\n")]
        assert len(ids) >= 200
        assert None not in store.get(ids)


def test_a_writer_whose_turn_does_not_come_is_refused_and_one_under_way_is_answered() -> None:
    gate = Gate()
    journal = Journal(gate.commit, lambda item: 1, max_items=1, turn_seconds=0.05)
    first = in_thread(lambda: journal.write(1))
    gate.entered.acquire()
    refused = in_thread(lambda: journal.write(2))()
    assert isinstance(refused, StoreUnavailable)
    assert refused.outcome is None
    gate.open()
    assert first() == 10
    assert journal.write(3) == 30
    assert gate.batches == [[1], [3]]


def test_a_writer_interrupted_behind_any_call_gives_the_lead_to_one_other() -> None:
    """As by the handler of a signal, which the interpreter runs at the entry of a function or behind a call."""
    point = 1
    while interrupted_at(point):
        point += 1
    assert point > 15


def interrupted_at(point: int) -> bool:
    """Whether a write has so many of them; two others queue up while it commits."""
    committing = threading.Lock()
    others: list[Callable[[], object]] = []
    passed = 0

    def commit(items: Sequence[int]) -> list[int]:
        assert committing.acquire(blocking=False), "two lead"
        if list(items) == [0]:
            others.extend([in_thread(partial(journal.write, number)) for number in (1, 2)])
            until(lambda: len(journal._queue) == 2)
        committing.release()
        return [item * 10 for item in items]

    def interrupt(frame: FrameType, event: str, _: object) -> None:
        nonlocal passed
        if frame.f_code.co_filename == journal_module.__file__ and event in ("call", "return", "c_return"):
            passed += 1
            if passed == point:
                sys.setprofile(None)
                raise KeyboardInterrupt

    journal = Journal(commit, lambda _: 1)
    sys.setprofile(interrupt)
    try:
        is_interrupted = journal.write(0) != 0
    except KeyboardInterrupt:
        is_interrupted = True
    finally:
        sys.setprofile(None)
    assert [other() for other in others] in ([], [10, 20])
    assert journal.write(3) == 30
    return is_interrupted
