"""What a person has done, to one execution or to the namespace: who, when, from where, why, and what was before.

An act is written in the transaction of its effect. A deletion's line outlives the execution.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

THE_NAMESPACE = "00000000-0000-0000-0000-000000000000"  # in the place of an execution: what is about none
SUBMISSION = "a submission"  # who did what a later one of a key does to an earlier one
NO_END = 1 << 62  # later than any instant


class ActKind(StrEnum):
    RESCHEDULE = "reschedule"
    DELETE = "delete"
    RERUN = "rerun"  # it was run again, as the execution whose id is the act's
    RERUN_OF = "rerun_of"  # it runs that one again whose id is the act's
    FORK_OF = "fork_of"  # it was begun with what that one had recorded whose id is the act's
    RETRY = "retry"
    RESUME = "resume"
    RESOLVE = "resolve"
    CANCEL = "cancel"
    SIGNAL = "signal"
    COMPLETE = "complete"  # of a callback, with a value or a failure
    PAUSE = "pause"  # of a workflow, the namespace or a limit's key
    UNPAUSE = "unpause"
    DRAIN = "drain"  # of a node
    LIMIT = "limit"  # other numbers or weights
    SCHEDULE = "schedule"
    PURGE = "purge"
    DEBOUNCE = "debounce"  # a submission gave it its arguments: that with the act's id, the last of several
    ASK = "ask"  # it takes a second person, and was asked for
    APPROVE = "approve"  # by that one
    REFUSE = "refuse"
    RULE = "rule"  # which acts take a second person
    ATTRIBUTES = "attributes"  # by which it is found: others
    KEY_PASSED = "key_passed"  # its key went over, while it was open, to the execution whose id is the act's


WITH_OTHER = (
    ActKind.RERUN,
    ActKind.RERUN_OF,
    ActKind.FORK_OF,
    ActKind.KEY_PASSED,
)  # their id is that of another execution


class Act(msgspec.Struct, frozen=True):
    """Written once, whoever repeats it: `id` is of the order, and an order that is known is not done again (R17). What
    one order does to many has a line for each, of one id."""

    execution_id: str
    id: str
    kind: str
    done_at: int
    done_by: str
    reason: str
    detail: str = ""  # what was before and what was changed, in words; nothing of the execution's content
    done_from: str = ""  # the account and host of the process that gave the order


class ActFilter(msgspec.Struct, frozen=True):
    """Which acts a list has, newest first; `by` is a part of who."""

    since: int = 0
    until: int = NO_END
    by: str | None = None
    kind: str | None = None
    limit: int = 100
