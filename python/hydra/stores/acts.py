"""What a person has done to one execution: who, when, why. A deletion's line outlives the execution."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class ActKind(StrEnum):
    RESCHEDULE = "reschedule"
    DELETE = "delete"
    RERUN = "rerun"  # it was run again, as the execution whose id is the act's
    RERUN_OF = "rerun_of"  # it runs that one again whose id is the act's


class Act(msgspec.Struct, frozen=True):
    """Written once, whoever repeats it: `id` is of the order, and an order that is known is not done again (R17)."""

    execution_id: str
    id: str
    kind: str
    done_at: int
    done_by: str
    reason: str
    detail: str = ""  # what was changed, in words; nothing of the execution's content
