"""Notices news of any process: LISTENs on a connection of its own, polls where it cannot. Never says what changed."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from functools import partial

import psycopg
from psycopg.rows import TupleRow

from hydra.errors import HydraError
from hydra.interruptions import let_out_cause
from hydra.locks import RLock
from hydra.stores.connecting import freed_where_refused, undisturbed
from hydra.stores.lookout import Lookout
from hydra.stores.postgres.database import Database
from hydra.stores.postgres.news import DONE, READY, channel

SLICE_SECONDS = 0.25  # how long one look may take before interests are looked at again
QUICK_POLL_SECONDS = 0.02
SLOW_POLL_SECONDS = 0.5
RECONNECT_SECONDS = 1.0
CALLED_COUNT = 3  # nodes woken beside one for each execution that is ready: some are busy


class Watch:
    """One thread looks for all that wait; each thread learns of every change since it last returned."""

    def __init__(self, database: Database, namespace: str, own_pid: Callable[[], int]) -> None:
        self._own_pid = own_pid  # of the session that announces this store's own news
        self._database = database
        self._namespace = namespace
        self._mutex = RLock()
        self._lookout = Lookout()
        self._interests: set[str] = set()
        self.node_count = 1  # alive, as last seen
        self.is_listening = False  # something that this node runs waits for a message, and is told of none by itself
        self._connection: psycopg.Connection[TupleRow] | None = None
        self._listened: set[str] = set()
        self._reconnect_at = 0.0
        self._answer: tuple[object, ...] = ()
        self._pause = QUICK_POLL_SECONDS

    def add_interest(self, kind: str) -> None:
        """Of what the waiting threads want to hear: `ready` or `done`."""
        self._interests.add(kind)

    def wait(self, timeout_seconds: float) -> bool:
        """True as soon as others had news since this thread's last call; its first call is told so at once."""
        deadline = time.monotonic() + timeout_seconds
        with self._mutex:
            if self._connection is None and not self._lookout.is_taken and not self._lookout.has_changed:
                self._begin()
        return self._lookout.wait(deadline - time.monotonic(), self._look_and_tell)

    @property
    def connection_count(self) -> int:
        """Beside those of the database."""
        return int(self._connection is not None)

    def close(self) -> None:
        with self._mutex:
            if self._connection is not None and not self._lookout.is_taken:
                self._connection.close()
                self._connection = None

    def _begin(self) -> None:
        """Listen before the first caller looks at the database, so that nothing falls between."""
        try:
            self._look(0)
        finally:
            self._lookout.tell()

    def _look_and_tell(self, remaining: float) -> None:
        if self._look(min(remaining, SLICE_SECONDS)):
            self._lookout.tell()

    def _look(self, seconds: float) -> bool:
        address = self._database.address.listen
        if address is not None and (self._connection is not None or time.monotonic() >= self._reconnect_at):
            try:
                return self._listen(address, seconds)
            except (psycopg.Error, HydraError) as error:
                self._forget()
                let_out_cause(error, None)
        return self._poll(seconds)

    def _listen(self, address: str, seconds: float) -> bool:
        if self._connection is None:
            self._connection = undisturbed(partial(_connect, address), psycopg.Connection.close)
            self._listened = set()
        wanted = self._interests or {READY, DONE}
        for kind in sorted(self._listened - wanted):
            self._connection.execute(f"unlisten {channel(self._namespace, kind)}")
            self._listened.discard(kind)
        if missing := wanted - self._listened:
            for kind in sorted(missing):
                self._connection.execute(f"listen {channel(self._namespace, kind)}")
            self._listened |= missing
            return True  # what came before the LISTEN is not told
        return any(self._concerns(each) for each in self._connection.notifies(timeout=seconds, stop_after=1))

    def _concerns(self, notification: psycopg.Notify) -> bool:
        """Not one's own news. Work for a few calls a few of many nodes: the polls of the others are near."""
        if notification.pid == self._own_pid():
            return False
        if self.is_listening or notification.channel != channel(self._namespace, READY):
            return True
        called_count = CALLED_COUNT + int(notification.payload)
        return random.random() * self.node_count < called_count

    def _forget(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._reconnect_at = time.monotonic() + RECONNECT_SECONDS * random.uniform(0.75, 1.25)

    def _poll(self, seconds: float) -> bool:
        """One look, and a pause before it that grows while the answer stays the same."""
        time.sleep(min(self._pause * random.uniform(0.75, 1.25), seconds))
        answer = self._read_answer()
        if answer == self._answer:
            self._pause = min(2 * self._pause, SLOW_POLL_SECONDS)
            return False
        self._answer = answer
        self._pause = QUICK_POLL_SECONDS
        return True

    def _read_answer(self) -> tuple[object, ...]:
        name: Sequence[str] = ["has_ready", "last_transaction"]
        chosen = [
            n for n, kind in zip(name, ("ready", "done"), strict=True) if kind in self._interests or self.is_listening
        ] or name
        rows = self._database.fetch(*((statement, {"namespace": self._namespace}) for statement in chosen))
        return tuple(found[0][0] for found in rows)


def _connect(address: str) -> psycopg.Connection[TupleRow]:
    with freed_where_refused():
        return psycopg.connect(address, autocommit=True)
