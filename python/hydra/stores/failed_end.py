"""How an execution failed, or why it is parked, as the database has it."""

from __future__ import annotations

import msgspec

from hydra.execution import Status


class FailedEnd(msgspec.Struct, frozen=True):
    """What an execution failed with, or is parked for. `step` is the name of the record whose failure left the body;
    None where that was the body's own."""

    status: Status
    cause: str
    payload: bytes | None
    step: str | None
