"""`@hydra.transaction` steps in a worker: the function's writes and its record commit together or not at all (G6, R21).

    reserve the next number ──► begin ──► the user's function ──► fence, record, COMMIT ──► Committed to the supervisor
                                  ▲               │ lock or connection lost: all of it again
                                  └───────────────┘

The only place where a worker opens the database: a few connections, opened when first needed, in the steps' threads.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from hydra.body.fork_guard import Forked, end_child
from hydra.body.sqlite_limit import FileLimit
from hydra.body.step_call import StepCall
from hydra.errors import ConfigError, HydraError, Interrupt, LeaseLost, StoreUnavailable
from hydra.execution import CommitAnswer, ExecutionCommit, NodeRef, Record, RecordKind
from hydra.stores.step_connection import Passing, StepConnection
from hydra.stores.store import Store

MAX_TRIES = 20  # of a function whose transaction lost a lock, or its connection, each time
PAUSE_SECONDS = 0.01  # before it runs again, doubled each time, jittered
MAX_PAUSE_SECONDS = 1.0
INTERRUPT_EVERY_SECONDS = 0.2  # until a transaction whose execution stops is over: it may be between two statements
TELL_EVERY_SECONDS = 10.0  # in the log, that the database does not answer

log = logging.getLogger("hydra.worker")


class TransactionCall(StepCall):
    """One try of a transaction. `record` is what it committed, under the number `seq` that was kept free for it."""

    is_void: bool = False  # the execution stopped before it could be done: nothing was written or learned
    is_cancelling: bool = False  # it is written, and a cancel was asked for
    is_stopped: bool = False  # its execution stops: it is rolled back, unless its COMMIT was first
    own: StepConnection | None = None  # on which it is under way
    seq: int = 0
    record: Record | None = None


class Transactions:
    """`perform` is called in the steps' threads, several at a time."""

    def __init__(
        self,
        open_store: Callable[[], Store],
        node_id: str,
        session: Callable[[], int],
        now: Callable[[], int],
        connection_count: int,
        *,
        may_kill: bool,
    ) -> None:
        self._open_store = open_store
        self._node_id = node_id
        self._session = session
        self._now = now
        self._may_kill = may_kill  # this process, when a step holds a file for too long
        self._places = threading.BoundedSemaphore(connection_count)
        self._mutex = threading.Lock()
        self._store: Store | None = None
        self._idle: list[StepConnection] = []
        self._told_at = -TELL_EVERY_SECONDS

    def perform(self, call: TransactionCall, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The step's result, once it is durable. Whatever is raised instead, nothing of it was written."""
        while not self._places.acquire(timeout=INTERRUPT_EVERY_SECONDS):
            self._refuse_stopped(call)
        try:
            return self._perform(call, args, kwargs)
        except BaseException:
            call.is_void = call.is_void or call.is_stopped
            raise
        finally:
            self._places.release()

    def interrupt(self, call: TransactionCall) -> None:
        """Its execution stops: what it waits for on the server is ended, and it is rolled back. Returns at once."""
        with self._mutex:
            is_first, call.is_stopped = not call.is_stopped, True
        if is_first:
            threading.Thread(target=self._keep_interrupting, args=(call,), name="hydra-interrupt", daemon=True).start()

    def _keep_interrupting(self, call: TransactionCall) -> None:
        while call in call.execution.calls:
            with self._mutex:
                own = call.own
            if own is not None:
                own.interrupt()
            time.sleep(INTERRUPT_EVERY_SECONDS)

    def _perform(self, call: TransactionCall, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        passing_count = pause_count = 0
        while True:
            try:
                record = self._try(call, args, kwargs)
            except _Again as again:
                passing_count += again.is_counted
                pause_count += 1
                self._pause(call, pause_count, again)
                if passing_count == MAX_TRIES:
                    raise again.cause from None
            else:
                call.record = record
                assert record.payload is not None
                return call.step.types.decode_result(record.payload)

    def _pause(self, call: TransactionCall, count: int, again: _Again) -> None:
        """Before it runs again, and as long as the node may not act (R5); an execution that stops is left."""
        now = time.monotonic()
        if not again.is_counted and now >= self._told_at + TELL_EVERY_SECONDS:
            self._told_at = now
            log.warning("transaction `%s` waits for the database: %s", call.step.name, again.cause)
        pause = min(PAUSE_SECONDS * 2 ** min(count, 10), MAX_PAUSE_SECONDS)
        while True:
            if call.execution.stopping is not None or call.is_stopped:
                call.is_void = True
                raise again.cause from None
            time.sleep(pause * random.uniform(0.5, 1.5))
            if call.execution.host.may_start():
                return

    def _try(self, call: TransactionCall, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Record:
        try:
            own = self._take()
        except (StoreUnavailable, ConfigError) as error:
            raise _Again(error, is_counted=False) from error
        with self._mutex:
            call.own = own
        limit: FileLimit | None = None
        has_begun = is_in_function = is_committing = False
        try:
            self._refuse_stopped(call)
            own.begin()
            has_begun = True
            if self._may_kill and self._opened().path is not None:
                limit = FileLimit(call.step.name, own)  # the wait for the file is not the function's time
            is_in_function = True
            run = call.step.function if limit is None else partial(limit.run, call.step.function)
            result = run(own.connection, *args, **kwargs)
            if Forked.is_child:
                end_child()
            item = self._item(call, call.step.types.encode_result(result)[0])
            self._refuse_stopped(call)
            is_in_function, is_committing = False, True
            node = NodeRef(self._node_id, self._session())
            if answer := own.commit(node, item, item.records[0].finished_at):
                call.is_cancelling = answer == CommitAnswer.CANCELLING
                return item.records[0]
            stored = self._stored(call)
            if stored is None:
                raise LeaseLost(f"execution `{item.id}` is not this node's any more")
            return stored
        except BaseException as error:
            if not is_in_function and isinstance(error, LeaseLost):
                # Refused, not written: perhaps only the node's session is a new one.
                raise _Again(error, is_counted=True) from error
            if not is_in_function and isinstance(error, StoreUnavailable):
                if error.outcome == "unknown" and (stored := self._stored(call)) is not None:
                    return stored
                raise _Again(error, is_counted=False) from error
            if call.is_stopped:
                own.roll_back()
                if is_committing and (stored := self._stored(call)) is not None:
                    return stored
                raise
            passing = own.passing(error)
            if passing is None:
                raise
            own.roll_back()
            is_counted = has_begun if passing is Passing.CONTENDED else is_in_function and passing is Passing.LOST
            raise _Again(error, is_counted=is_counted) from error
        finally:
            if limit is not None:
                limit.cancel()
            own.roll_back()
            with self._mutex:
                call.own, is_interrupted = None, call.is_stopped
            if is_interrupted:
                own.close()  # an interrupt may still be on its way, and would meet another transaction
            else:
                self._return(own)

    def _refuse_stopped(self, call: TransactionCall) -> None:
        """An execution that stops commits nothing any more."""
        if call.is_stopped:
            call.is_void = True
            raise Interrupt(f"execution `{call.execution.claimed.id}` stops before its transaction has committed")

    def _item(self, call: TransactionCall, payload: bytes) -> ExecutionCommit:
        claimed = call.execution.claimed
        record = Record(
            call.seq,
            str(RecordKind.STEP),
            *call.called.key,
            call.attempt,
            call.called.digest,
            payload,
            call.started_at,
            self._now(),
        )
        deaths = 0 if claimed.death_count else None  # a new record: it does not stand still (G7)
        return ExecutionCommit(claimed.id, claimed.epoch, [record], death_count=deaths, alone_death_count=deaths)

    def _stored(self, call: TransactionCall) -> Record | None:
        """What the database has under the call's number; asks until it answers."""
        while True:
            try:
                records = self._opened().records(call.execution.claimed.id)
            except (StoreUnavailable, ConfigError) as error:
                log.warning("the outcome of transaction `%s` is not known yet: %s", call.step.name, error)
                time.sleep(MAX_PAUSE_SECONDS * random.uniform(0.2, 0.4))
                continue
            key = call.called.key
            return next((r for r in records if r.seq == call.seq and (r.branch, r.name, r.ordinal) == key), None)

    def _opened(self) -> Store:
        with self._mutex:
            if self._store is None:
                store = self._open_store()
                store.open(migrate=False)
                self._store = store
            return self._store

    def _take(self) -> StepConnection:
        store = self._opened()
        with self._mutex:
            if self._idle:
                return self._idle.pop()
        return store.step_connection()

    def _return(self, own: StepConnection) -> None:
        if own.is_usable:
            with self._mutex:
                self._idle.append(own)
        else:
            own.close()


class _Again(Exception):
    """Nothing was written, and the same may succeed. Not counted: the database does not answer, so nothing can be
    recorded either, and there is no sense in giving up before it does; or others have the file, and the function never
    began. What befalls the connection while the function has it is counted, since the function may be the cause."""

    def __init__(self, cause: BaseException, *, is_counted: bool) -> None:
        self.cause = cause
        self.is_counted = is_counted


def refuse_without(transactions: Transactions | None) -> Transactions:
    if transactions is None:
        raise HydraError("a transaction needs a worker with a database; outside one call its `.function(conn, …)`")
    return transactions
