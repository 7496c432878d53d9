"""What a program holds of a database: opened by the first call that needs it, and again after a fork.

No connection or thread survives a fork. It reads and writes for `Engine`, handles and commands, and decides nothing.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from datetime import timedelta
from types import TracebackType
from typing import Self, TypeVar, cast

from hydra import config
from hydra.client.moved_reads import surely
from hydra.client.session import EngineSession
from hydra.client.watcher import OutcomeWatcher
from hydra.clock import seconds_of
from hydra.codec import MAX_PAYLOAD_BYTES
from hydra.context import Inside
from hydra.definitions import caller
from hydra.errors import HydraError, NotFound
from hydra.execution import Snapshot
from hydra.interruptions import refuse_within
from hydra.locks import RLock
from hydra.object_store import object_store_of
from hydra.offload import Offload
from hydra.payload_keys import PayloadKeys
from hydra.stores import absolute, open_store, without_password
from hydra.stores.encrypting import reading_only
from hydra.stores.moved import why_closed
from hydra.stores.offloading import OffloadingStore, fetched
from hydra.stores.store import Store
from hydra.written import as_text

T = TypeVar("T")


class DatabaseAccess:
    """A database and a namespace in it. Safe to share between threads; a context manager that closes it."""

    max_payload_bytes: int = MAX_PAYLOAD_BYTES  # of one execution's input

    def __init__(
        self,
        url: str | None,
        namespace: str,
        migrate: bool,
        timeout: timedelta | float | None,
        payload_keys: PayloadKeys | None,
        offload: Offload | None = None,
    ) -> None:
        self.url = config.database_url(url)
        self.namespace = config.namespace_name(namespace)
        self.payload_keys = config.payload_keys(payload_keys)
        self.offload = config.offload(offload)
        self._migrate = migrate
        self._timeout_seconds = None if timeout is None else seconds_of(timeout, "`timeout`")
        self._opening = RLock()
        self._session: EngineSession | None = None
        self._closed = False
        open_store(self.url, self.namespace)  # a URL nobody understands is an error here, not at the first call
        self.url = absolute(self.url)
        _opened.add(self)

    @property
    def is_open(self) -> bool:
        """Whether a call has opened the database already."""
        return self._session is not None

    def snapshot(self, id: str) -> Snapshot:
        """The row of an execution; NotFound where there is none."""

        def get(store: Store) -> Snapshot:
            found = store.get([id])[0]
            if found is None:
                raise self._unknown(id)
            return found

        return self.read(get)

    def not_found(self, id: object) -> HydraError:
        """The error that says so of an order; what `hydra move` moves, or has moved, may be elsewhere."""
        store = self.session().store
        return why_closed(store.move_lines(), store.namespace, store.url) or self._unknown(id)

    def _unknown(self, id: object) -> NotFound:
        """The same, of a read (`read`), or of what is no id."""
        return NotFound(f"no execution `{as_text(id)}` in namespace `{self.namespace}`")

    def read(self, verb: Callable[[Store], T]) -> T:
        """One read. Used by handles and commands. NotFound only where it is sure: not while `hydra move` moves it."""
        store = self.session().store
        return surely(store, lambda: verb(store))

    def join(self, verb: Callable[[Store, int], T]) -> T:
        """One write in a caller's transaction: on its connection, in its own turn, once."""
        session = self.session()
        session.look_for_keys()  # each time: what goes into a caller's transaction is not taken back
        now = session.now()
        return verb(session.store, now)

    def write(self, verb: Callable[[Store, int], T]) -> T:
        """One write, in turn with the submissions; again after a lost reply, so it must bear that it happened (R17)."""
        session = self.session()

        def write() -> T:
            now = session.now()  # which may find another store to write to
            return verb(session.store, now)

        return session.run_again(write)

    def fetched(self, payload: bytes | None) -> bytes | None:
        """Of an input or an outcome, from the object store where it lies there. What cannot be fetched tells why where
        it is decoded."""
        return payload if payload is None else fetched(self.session().store, payload)

    def watcher(self) -> OutcomeWatcher:
        """What waits for the ends of executions."""
        return self.session().watcher

    def session(self) -> EngineSession:
        """What is open, opened now if nothing is. Inside a body it is refused: a replay would do it again."""
        here = caller.get()
        if here is not None and cast(Inside, here).current().step is None:
            raise HydraError("an engine cannot be used in a workflow's body; use `hydra.spawn`, or use it in a step")
        return self._session or self._open()

    def new_session(self, store: Store) -> EngineSession:
        """The connections and threads of this engine; a harness has its own."""
        return EngineSession(store)

    def close(self) -> None:
        """Let go of the database and of threads. What was accepted is durable already."""
        with self._opening:
            session, self._session, self._closed = self._session, None, True
        if session is not None:
            session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # inside

    def _open(self) -> EngineSession:
        refuse_within(DatabaseAccess._open.__code__, self, "opening the database")
        with self._opening:
            if self._closed:
                raise HydraError(f"the engine of `{without_password(self.url)}` is closed; make a new one")
            if self._session is None:
                store = open_store(self.url, self.namespace, self.payload_keys)
                try:
                    self._session = self._begin_session(store)
                except BaseException:
                    store.close()  # else locks and connections stay as long as the error does
                    raise
            return self._session

    def _begin_session(self, store: Store) -> EngineSession:
        if self._timeout_seconds is not None:
            store.write_wait_seconds = store.read_wait_seconds = self._timeout_seconds
        store.open(migrate=self._migrate)
        opened = store if self.payload_keys is not None else reading_only(store)
        opened_plain = opened is store
        objects = object_store_of(self.offload, self.namespace, self.payload_keys)
        if objects is not None:
            opened = OffloadingStore(opened, objects, puts=opened_plain).as_store()
        session = self.new_session(opened)
        session.is_plain = self.payload_keys is None and opened_plain
        return session

    def _forget_session(self) -> None:
        """In the child of a fork: the parent's threads and connections are not ours, neither to use nor to close."""
        if self._session is not None:
            _abandoned.append(self._session)
        self._session = None
        self._opening = RLock()


_opened: weakref.WeakSet[DatabaseAccess] = weakref.WeakSet()
_abandoned: list[EngineSession] = []


def _after_fork() -> None:
    for each in list(_opened):
        each._forget_session()


os.register_at_fork(after_in_child=_after_fork)
