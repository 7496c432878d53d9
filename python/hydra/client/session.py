"""Everything of one engine that is open in one process: store, journal, watcher, and the database's clock."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from hydra.client import child_ends
from hydra.client.signatures import KnownSignatures
from hydra.client.watcher import OutcomeWatcher
from hydra.clock import DatabaseClock, boottime_ns
from hydra.errors import StoreUnavailable
from hydra.execution import Submission, Submitted
from hydra.interruptions import end_what_was_begun, let_out_cause
from hydra.journal import Journal
from hydra.records.forks import Fork
from hydra.stores.acts import Act
from hydra.stores.encrypting import reading_only
from hydra.stores.offloading import OffloadingStore
from hydra.stores.store import Store

T = TypeVar("T")

CALIBRATION_SECONDS = 2.0  # how long the database's clock is carried forward before it is read again
RESUBMIT_PAUSES_SECONDS = (0.05, 0.25, 1.0)


class EngineSession:
    def __init__(self, store: Store) -> None:
        self.store = store
        self.watcher = OutcomeWatcher(store)
        self.signatures = KnownSignatures(store.workflows)
        self._journal: Journal[Submission, Submitted] = Journal(
            self._commit, _input_bytes, turn_seconds=store.read_wait_seconds
        )
        self.is_plain = False  # its program has no payload keys, and knows of none in the namespace
        self._clock = DatabaseClock()
        self._read_clock_ns = 0

    def now(self) -> int:
        """The database's time; between two readings it costs no I/O."""
        if boottime_ns() - self._read_clock_ns > CALIBRATION_SECONDS * 1e9:
            database_now = self.store.now()
            self._read_clock_ns = boottime_ns()
            self._clock.calibrate(database_now, self._read_clock_ns)
            self.look_for_keys()
        return self._clock.now()

    def look_for_keys(self) -> None:
        """Others may have begun to encrypt since this was opened: then nothing plain goes there any more."""
        store = self.store
        if self.is_plain and store.wrapped_secrets():
            self.is_plain = False
            if isinstance(store, OffloadingStore):
                self.store = OffloadingStore(reading_only(store.inner), store.objects, puts=False).as_store()
            else:
                self.store = reading_only(store)

    def submit(self, submission: Submission) -> Submitted:
        """Durable when it returns. An error that leaves it open whether it happened names the execution (R17)."""
        (submission,) = self._put([submission])
        try:
            return self._journal.write(submission)
        except StoreUnavailable as error:
            error.execution_id = submission.id
            raise

    def submit_many(self, submissions: Sequence[Submission]) -> list[Submitted]:
        return self._journal.write_many(self._put(submissions))

    def submit_each(self, submissions: Sequence[Submission]) -> list[Submitted | Exception]:
        """Like submit_many, but one that is refused leaves the others alone."""
        answers = self._journal.write_each(self._put(submissions))
        for submission, answer in zip(submissions, answers, strict=True):
            if isinstance(answer, StoreUnavailable):
                answer.execution_id = submission.id
        return answers

    def _put(self, submissions: Sequence[Submission]) -> Sequence[Submission]:
        """What is large is offloaded here, on the caller's thread: nobody else's submission waits for it."""
        store = self.store
        return [store.put(each) for each in submissions] if isinstance(store, OffloadingStore) else submissions

    def fork(self, fork: Fork, lines: Sequence[Act]) -> Submitted:
        """Durable when it returns; safe to repeat like a submission (R17)."""
        try:
            return self.run_again(lambda: child_ends.fork(self.store, fork, lines, self.now()))
        except StoreUnavailable as error:
            error.execution_id = fork.submission.id
            raise

    def run(self, verb: Callable[[], T]) -> T:
        """Some other write, in turn with the submissions."""
        return self._journal.run(lambda: self._whole(verb))

    def run_again(self, verb: Callable[[], T]) -> T:
        """`run` of one that may be repeated after a lost reply: it finds what it did (R17)."""
        return self._journal.run(lambda: self._whole(lambda: self._again(verb)))

    def close(self) -> None:
        self.watcher.close()
        self._journal.close()
        self.store.close()

    def _commit(self, submissions: Sequence[Submission]) -> list[Submitted]:
        def submit() -> list[Submitted]:
            now = self.now()  # which may find that nothing plain is to go there
            return self.store.submit(submissions, now)

        return self._whole(lambda: self._again(submit))

    def _whole(self, verb: Callable[[], T]) -> T:
        """Nothing of it is open afterwards, whatever came in between."""
        try:
            return verb()
        except BaseException as error:
            end_what_was_begun(error)
            raise

    def _again(self, verb: Callable[[], T]) -> T:
        """Again with the same ids after a lost reply: what did happen is found and not repeated (R17).

        Once a try's outcome is unknown, it stays so until another succeeds, whatever that one fails of.
        """
        began = time.monotonic()
        pauses = iter(RESUBMIT_PAUSES_SECONDS)
        is_unknown = False
        outer = sys.exception()
        while True:
            try:
                return verb()
            except StoreUnavailable as error:
                let_out_cause(error, outer)
                is_unknown = is_unknown or error.outcome == "unknown"
                pause_seconds = next(pauses, None)
                is_late = time.monotonic() > began + self.store.write_wait_seconds
                if not is_unknown or pause_seconds is None or is_late:
                    error.outcome = "unknown" if is_unknown else error.outcome
                    raise
                time.sleep(pause_seconds)


def _input_bytes(submission: Submission) -> int:
    return len(submission.input)
