"""An archive as Parquet files, which other programs read without hydra: a row for each execution. Needs an extra.

A Parquet file is written once. Each batch is a file of its own, and MERGED of them become one:

    default-2026-11-30-NODE-ID.parquet, …  ──►  default-2026-11-30-NODE-ID.merged.parquet

A file has its name only once it is durable. A crash between a merge and the removal of what it was made of leaves rows
twice, as a crash between archive and deletion does: a row may be double, never lost.
"""

from __future__ import annotations

import glob
import logging
import os
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from typing import Any

import msgspec

from hydra import _core
from hydra.errors import ConfigError
from hydra.object_store import sync_folder

MERGED = 100  # batches that become one file
SUFFIX = ".parquet"
MERGED_SUFFIX = ".merged.parquet"

log = logging.getLogger("hydra.retention")


class Row(msgspec.Struct, frozen=True):
    """The columns, which stay as they are: what is new goes behind them. The last six are JSON; `input` and `result`
    are as people read them, and `export` is what `hydra.testing.replay` takes."""

    archived_at: datetime
    namespace: str
    id: str
    workflow: str
    key: str | None
    status: str
    reason: str
    attempt: int
    submitted_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    tags: list[tuple[str, str]]
    attributes: str
    input: str
    result: str | None
    execution: str
    acts: str
    attempts: str
    export: str


def check() -> None:
    """ConfigError where the extra is missing."""
    _arrow()


def write(stem: str, rows: Iterable[Row]) -> None:
    """Durable when it returns. No file where there are no rows."""
    arrow, parquet = _arrow()
    found = [msgspec.structs.asdict(row) for row in rows]
    if not found:
        return
    table = arrow.Table.from_pylist(found, schema=_schema(arrow))
    path = f"{stem}-{_core.uuid7()}{SUFFIX}"
    _write_durably(path, parquet, table.schema, [table])
    parts = [each for each in sorted(glob.glob(f"{glob.escape(stem)}-*{SUFFIX}")) if not each.endswith(MERGED_SUFFIX)]
    if len(parts) % MERGED == 0:
        _merge(f"{stem}-{_core.uuid7()}{MERGED_SUFFIX}", parquet, table.schema, parts)


def _merge(path: str, parquet: Any, schema: Any, parts: list[str]) -> None:
    """One batch in memory at a time. What does not go, since the user has moved one, is tried again later."""
    try:
        _write_durably(path, parquet, schema, (parquet.read_table(part, schema=schema) for part in parts))
    except (OSError, ValueError) as error:  # what pyarrow says of a damaged file is a ValueError
        log.warning("the files of the archive stay as small as they are: %s", error)
        return
    for part in parts:
        with suppress(FileNotFoundError):
            os.remove(part)


def _write_durably(path: str, parquet: Any, schema: Any, tables: Iterable[Any]) -> None:
    unfinished = f"{path}.unfinished"
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with (
            open(descriptor, "wb") as file,
            parquet.ParquetWriter(file, schema, compression="zstd") as writer,
        ):
            for table in tables:
                writer.write_table(table)
            writer.close()
            file.flush()
            os.fsync(file.fileno())
        os.rename(unfinished, path)
    except BaseException:
        with suppress(OSError):
            os.remove(unfinished)
        raise
    sync_folder(os.path.dirname(path))


def _schema(arrow: Any) -> Any:
    """Said once, not guessed from rows: a batch without keys has the same columns."""
    text, instant = arrow.string(), arrow.timestamp("us", tz="UTC")
    kinds: dict[str, Any] = {
        **dict.fromkeys(("archived_at", "submitted_at", "started_at", "finished_at"), instant),
        "attempt": arrow.int64(),
        "tags": arrow.map_(text, text),
    }
    return arrow.schema([(name, kinds.get(name, text)) for name in Row.__struct_fields__])


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ConfigError("an archive in Parquet needs pyarrow: `pip install 'hydra-engine[parquet]'`") from error
    return pyarrow, pyarrow.parquet
