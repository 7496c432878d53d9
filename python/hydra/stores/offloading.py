"""A program's store whose large inputs go to an object store, and values from there. Decides nothing.

    programs ── inputs ──► OffloadingStore ── pointers ──► (EncryptingStore) ──► the store ──► database

A node's own store is none: its workers put and get (`worker/courier`), so that no commit and no beat waits for objects.
What is read goes as it is, and who needs the values fetches them: a list, a page and a timeline do not.
"""

from __future__ import annotations

import builtins
from collections.abc import Sequence

import msgspec

from hydra.execution import Record, Submission, Submitted
from hydra.object_store import ObjectStore
from hydra.pointers import is_pointer
from hydra.records.away import is_away, with_fetched
from hydra.records.forks import Fork
from hydra.stores.around import StoreAround
from hydra.stores.store import Store

replace = msgspec.structs.replace


class OffloadingStore(StoreAround):
    """`puts`: False where nothing may be written, since the namespace's keys are not here."""

    def __init__(self, store: Store, objects: ObjectStore, *, puts: bool) -> None:
        super().__init__(store)
        self.inner = store
        self.objects = objects
        self._puts = puts

    def put(self, submission: Submission) -> Submission:
        """With its input offloaded, where that is large. The object is durable then, and no row there yet."""
        if not self._puts or len(submission.input) <= self.objects.over or is_pointer(submission.input):
            return submission
        return replace(submission, input=self.objects.put(submission.input))

    def submit_in(self, connection: object, submissions: Sequence[Submission], now: int) -> builtins.list[Submitted]:
        return self._store.submit_in(connection, [self.put(each) for each in submissions], now)

    def fork(self, fork: Fork, now: int) -> Submitted:
        return self._store.fork(replace(fork, submission=self.put(fork.submission)), now)

    def fetched(self, payload: bytes) -> bytes:
        """The value; where it cannot be fetched a pointer that tells why where it is decoded."""
        return self.objects.fetched(payload) if is_pointer(payload) else payload


def fetched(store: Store, payload: bytes) -> bytes:
    """`OffloadingStore.fetched` of a store that may be none."""
    return store.fetched(payload) if isinstance(store, OffloadingStore) else payload


def fetched_history(store: Store, input: bytes, records: Sequence[Record]) -> tuple[bytes, builtins.list[Record]]:
    """With all values in it that lie in an object store."""
    if not isinstance(store, OffloadingStore):
        return input, list(records)
    return store.fetched(input), [
        replace(each, payload=with_fetched(each.payload or b"", store.fetched)) if is_away(each) else each
        for each in records
    ]
