"""What a second person has to approve: the order as it was asked for, by whom, until when, and what became of it.

A rule of the namespace says which acts take a second person; it is the newest approved row of its kind.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

FOR_EVER = 1 << 62  # until when a rule holds; statements have it as a number
MAX_APPROVALS = 1000  # of a namespace; to what waits, the oldest that no longer waits gives way


class ApprovalKind(StrEnum):
    RESOLVE = "resolve"  # of a step in doubt
    CANCEL = "cancel"  # without undo
    PURGE = "purge"  # by hand, by age or by ids
    RULE = "rule"  # which of these take a second person


class ApprovalState(StrEnum):
    OPEN = "open"
    APPROVED = "approved"
    REFUSED = "refused"


class Approval(msgspec.Struct, frozen=True):
    """`what` is JSON without content; `payload` is the value that a resolve gives."""

    id: str
    kind: str
    state: str
    what: str
    payload: bytes
    asked_at: int
    asked_by: str
    asked_from: str
    reason: str
    expires_at: int
    decided_at: int = 0
    decided_by: str = ""
    decided_from: str = ""
    decided_reason: str = ""


class Decision(msgspec.Struct, frozen=True):
    id: str
    state: str
    decided_at: int
    decided_by: str
    decided_from: str
    decided_reason: str
