"""An execution as a file: everything a replay of it needs, as plain JSON. Reads no database, runs nothing."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from hydra.errors import ConfigError
from hydra.execution import Record, Snapshot
from hydra.interruptions import let_out

FORMAT = 1


class Export(msgspec.Struct, frozen=True):
    """`input`, `outcome`, and each record's digest and payload are in base64."""

    id: str
    workflow: str
    status: str
    attempt: int
    tags: dict[str, str]
    input: str
    outcome: str | None
    records: list[list[Any]]
    format: int = FORMAT
    submitted_at: int = 0  # where the clock of an async body begins; 0 in exports of before it was kept

    def read_input(self) -> bytes:
        return to_bytes(self.input)

    def read_outcome(self) -> bytes | None:
        return None if self.outcome is None else to_bytes(self.outcome)

    def read_records(self) -> list[Record]:
        return [
            msgspec.convert([*row[:6], to_bytes(row[6]), row[7] and to_bytes(row[7]), *row[8:]], Record)
            for row in self.records
        ]


def export(snapshot: Snapshot, input: bytes, records: Sequence[Record], outcome: bytes | None) -> Export:
    return Export(
        id=snapshot.id,
        workflow=snapshot.workflow,
        status=str(snapshot.status),
        attempt=snapshot.attempt,
        submitted_at=snapshot.submitted_at,
        tags=snapshot.tags,
        input=to_text(input),
        outcome=None if outcome is None else to_text(outcome),
        records=[
            [to_text(value) if isinstance(value, bytes) else value for value in msgspec.structs.astuple(record)]
            for record in records
        ],
    )


def read_export(source: Export | dict[str, Any] | str | Path) -> Export:
    """From a file's path, from JSON, or from what JSON says: what `hydra show ID --json` prints, or its `export`."""
    if isinstance(source, Export):
        return source
    try:
        if isinstance(source, Path) or (isinstance(source, str) and not source.lstrip().startswith("{")):
            source = Path(source).read_text()
        said = json.loads(source) if isinstance(source, str) else source
        found = msgspec.convert(said.get("export", said), Export)
        found.read_input(), found.read_records()
    except (OSError, ValueError, TypeError, msgspec.ValidationError, binascii.Error) as error:
        let_out(error)
        raise ConfigError(f"this is not what `hydra show ID --json` prints: {error}") from error
    if found.format != FORMAT:
        raise ConfigError(f"the export has format {found.format}, this hydra reads {FORMAT}; export it with this one")
    return found


def to_text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def to_bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
