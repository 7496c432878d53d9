"""Where a node writes what it is about to delete: files of a folder, durable before anything goes.

    jsonl      a line for each execution, in one file a day and node
    parquet    a row for each, in small files that are merged; see `parquet_files`

A crash between the two leaves a line of what is still there, and later another: a line may be double, never lost.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime

import msgspec

from hydra.client.act_orders import act_view
from hydra.client.exports import export
from hydra.client.plain_json import encode_json, writable
from hydra.client.shown import input_of
from hydra.client.views import Execution, attempt_view, execution_view, to_datetime
from hydra.codec import decode_plain
from hydra.errors import ConfigError, PayloadError
from hydra.execution import Record, Snapshot, Status
from hydra.node import parquet_files
from hydra.object_store import ObjectStore, sync_folder
from hydra.pointers import is_pointer, why_away
from hydra.records.away import is_away, with_fetched
from hydra.stores.rows import DECODING
from hydra.stores.store import Store

FORMATS = ("jsonl", "parquet")
READ_AT_ONCE = 10  # executions whose records are in memory together


class Entry(msgspec.Struct, frozen=True):
    """Of one execution. What is bytes is JSON; `input` and `result` are for people, a replay takes the `export`."""

    view: Execution
    execution: bytes
    acts: bytes
    attempts: bytes
    export: bytes
    input: bytes
    result: bytes | None


class Archive:
    """A folder. `write` is for one thread."""

    def __init__(
        self, folder: str, namespace: str, objects: ObjectStore | None = None, format: str = FORMATS[0]
    ) -> None:
        self._objects = objects
        self._folder = folder
        self._namespace = namespace
        self._is_parquet = format == "parquet"

    def check(self) -> None:
        """ConfigError for a folder that cannot be written, and where the format needs what is not installed."""
        if not os.path.isdir(self._folder):
            raise ConfigError(f"the archive `{self._folder}` is no folder; make it, or name another with `--archive`")
        if not os.access(self._folder, os.W_OK | os.X_OK):
            raise ConfigError(f"the archive `{self._folder}` cannot be written by this user; change its permissions")
        if self._is_parquet:
            parquet_files.check()

    def _fetch(self, payload: bytes) -> bytes:
        return fetch_nothing(payload) if self._objects is None else self._objects.get(payload)

    def write(self, store: Store, ids: list[str], node_id: str, now: int) -> set[str]:
        """Durable when it returns, with what is offloaded in it; which could not be read, and are not in it. OSError
        where the disk refuses it, StoreUnavailable where the object store gives nothing now."""
        at = to_datetime(now).astimezone(UTC)
        stem = os.path.join(self._folder, f"{self._namespace}-{at:%Y-%m-%d}-{node_id}")
        unreadable: set[str] = set()

        def readable() -> Iterator[Entry]:
            for start in range(0, len(ids), READ_AT_ONCE):
                for id, entry in entries(store, ids[start : start + READ_AT_ONCE], self._fetch):
                    if entry is None:
                        unreadable.add(id)
                    else:
                        yield entry

        if self._is_parquet:
            parquet_files.write(stem, (_row(self._namespace, at, each) for each in readable()))
        else:
            _append(f"{stem}.jsonl", (_line(at, each) for each in readable()))
        return unreadable


def _append(path: str, lines: Iterable[bytes]) -> None:
    is_new = not os.path.exists(path)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "ab", closefd=False) as file:
            file.writelines(lines)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if is_new:
        sync_folder(os.path.dirname(path))


def fetch_nothing(payload: bytes) -> bytes:
    """Where nobody has said where it lies: what is archived without it would be lost."""
    raise PayloadError(why_away(payload))


def entries(
    store: Store, ids: list[str], fetch: Callable[[bytes], bytes] = fetch_nothing
) -> Iterator[tuple[str, Entry | None]]:
    """One for each that is still there, None where it cannot be read; `export` can be replayed."""
    known = [each for each in store.get(ids) if each is not None]
    histories = store.histories([each.id for each in known])
    for snapshot in known:
        if snapshot.id not in histories:
            continue
        try:
            yield snapshot.id, _entry(store, snapshot, *histories[snapshot.id], fetch)
        except (PayloadError, *DECODING):
            yield snapshot.id, None


def _entry(
    store: Store, snapshot: Snapshot, input: bytes, records: list[Record], fetch: Callable[[bytes], bytes]
) -> Entry:
    (outcome,) = store.outcomes([snapshot.id])
    payload = None if outcome is None else outcome[1]
    if payload is not None and is_pointer(payload):
        payload = fetch(payload)
    if is_pointer(input):
        input = fetch(input)
    whole = [
        msgspec.structs.replace(each, payload=with_fetched(each.payload or b"", fetch)) if is_away(each) else each
        for each in records
    ]
    view = execution_view(snapshot)
    has_result = snapshot.status is Status.COMPLETED and payload is not None
    return Entry(
        view,
        encode_json(view),
        encode_json([act_view(act) for act in store.acts(snapshot.id)]),
        encode_json([attempt_view(claim) for claim in store.claims(snapshot.id)]),
        encode_json(export(snapshot, input, whole, payload)),
        encode_json(input_of(input)),
        encode_json(decode_plain(payload)) if has_result else None,
    )


def _line(at: datetime, entry: Entry) -> bytes:
    parts = {name: msgspec.Raw(getattr(entry, name)) for name in ("execution", "acts", "attempts", "export")}
    return msgspec.json.encode({"archived_at": at, **parts}) + b"\n"


def _row(namespace: str, at: datetime, entry: Entry) -> parquet_files.Row:
    view = entry.view
    return parquet_files.Row(
        archived_at=at,
        namespace=namespace,
        id=view.id,
        workflow=view.workflow,
        key=view.key,
        status=str(view.status),
        reason=writable(view.reason),
        attempt=view.attempt,
        submitted_at=view.submitted_at,
        started_at=view.started_at,
        finished_at=view.finished_at,
        tags=[(name, writable(value)) for name, value in view.tags.items()],
        attributes=encode_json(view.attributes).decode(),
        input=entry.input.decode(),
        result=None if entry.result is None else entry.result.decode(),
        execution=entry.execution.decode(),
        acts=entry.acts.decode(),
        attempts=entry.attempts.decode(),
        export=entry.export.decode(),
    )
