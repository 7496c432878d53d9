"""Where a node writes what it is about to delete: JSON lines, one file a day and node, durable before anything goes.

A crash between the two leaves a line of what is still there, and later another: a line may be double, never lost.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import msgspec

from hydra.client.act_orders import act_view
from hydra.client.exports import export
from hydra.client.views import attempt_view, execution_view, to_datetime
from hydra.errors import ConfigError, PayloadError
from hydra.execution import Record, Snapshot
from hydra.object_store import ObjectStore, sync_folder
from hydra.pointers import is_pointer, why_away
from hydra.records.away import is_away, with_fetched
from hydra.stores.rows import DECODING
from hydra.stores.store import Store

READ_AT_ONCE = 10  # executions whose records are in memory together


class Archive:
    """A folder. `write` is for one thread."""

    def __init__(self, folder: str, namespace: str, objects: ObjectStore | None = None) -> None:
        self._objects = objects
        self._folder = folder
        self._namespace = namespace

    def check(self) -> None:
        """ConfigError for a folder that cannot be written."""
        if not os.path.isdir(self._folder):
            raise ConfigError(f"the archive `{self._folder}` is no folder; make it, or name another with `--archive`")
        if not os.access(self._folder, os.W_OK | os.X_OK):
            raise ConfigError(f"the archive `{self._folder}` cannot be written by this user; change its permissions")

    def _fetch(self, payload: bytes) -> bytes:
        return fetch_nothing(payload) if self._objects is None else self._objects.get(payload)

    def write(self, store: Store, ids: list[str], node_id: str, now: int) -> set[str]:
        """Durable when it returns, with what is offloaded in it; which could not be read, and are not in it. OSError
        where the disk refuses it, StoreUnavailable where the object store gives nothing now."""
        day = to_datetime(now).astimezone(UTC)
        path = os.path.join(self._folder, f"{self._namespace}-{day:%Y-%m-%d}-{node_id}.jsonl")
        is_new = not os.path.exists(path)
        unreadable: set[str] = set()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            with open(descriptor, "ab", closefd=False) as file:
                for start in range(0, len(ids), READ_AT_ONCE):
                    for id, line in lines(store, ids[start : start + READ_AT_ONCE], day, self._fetch):
                        if line is None:
                            unreadable.add(id)
                        else:
                            file.write(line)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if is_new:
            sync_folder(self._folder)
        return unreadable


def fetch_nothing(payload: bytes) -> bytes:
    """Where nobody has said where it lies: what is archived without it would be lost."""
    raise PayloadError(why_away(payload))


def lines(
    store: Store, ids: list[str], archived_at: datetime, fetch: Callable[[bytes], bytes] = fetch_nothing
) -> Iterable[tuple[str, bytes | None]]:
    """One for each that is still there, None where it cannot be read; `export` can be replayed."""
    known = [each for each in store.get(ids) if each is not None]
    histories = store.histories([each.id for each in known])
    for snapshot in known:
        if snapshot.id not in histories:
            continue
        try:
            yield snapshot.id, _line(store, snapshot, *histories[snapshot.id], archived_at, fetch)
        except (PayloadError, *DECODING):
            yield snapshot.id, None


def _line(
    store: Store,
    snapshot: Snapshot,
    input: bytes,
    records: list[Record],
    archived_at: datetime,
    fetch: Callable[[bytes], bytes],
) -> bytes:
    (outcome,) = store.outcomes([snapshot.id])
    payload = None if outcome is None else outcome[1]
    if payload is not None and is_pointer(payload):
        payload = fetch(payload)
    whole = [
        msgspec.structs.replace(each, payload=with_fetched(each.payload or b"", fetch)) if is_away(each) else each
        for each in records
    ]
    entry = {
        "archived_at": archived_at,
        "execution": execution_view(snapshot),
        "acts": [act_view(act) for act in store.acts(snapshot.id)],
        "attempts": [attempt_view(claim) for claim in store.claims(snapshot.id)],
        "export": export(snapshot, fetch(input) if is_pointer(input) else input, whole, payload),
    }
    return msgspec.json.encode(entry) + b"\n"
