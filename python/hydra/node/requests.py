"""What a node asks of its store thread beside the dispatcher's own actions, and what that tells it beside events."""

from __future__ import annotations

import msgspec

from hydra.dispatch.events import Action, Event, WorkerGone
from hydra.stores.workflow_info import WorkflowInfo


class Promote(Action):
    """Make due what timers held, then say when the next one is."""


class MoveTimers(Action):
    """Some are due: one batch, then `Promote` goes on."""


class RegisterWorkflows(Action):
    """From now on claim these, and let programs without the code know their signatures."""

    workflows: list[WorkflowInfo]


class Settle(Action):
    """A dead worker was in transactions: read what they committed before its end is told (R21, R22). By execution its
    token and the last number known."""

    gone: WorkerGone
    known: dict[str, tuple[int, int]]


class GiveBack(Action):
    """Return one batch of dead nodes' executions."""


class LookAtPeers(Action):
    """After a beat: which other nodes are dead."""


class SeeToSchedules(Action):
    """Register those of the app's code where that has not happened; else look whether somebody changed one."""


class NextDue(msgspec.Struct):
    """The next timer of the database, in database microseconds; None when there is none."""

    at: int | None


class SettleFailed(msgspec.Struct):
    """The database did not answer: ask again."""

    settle: Settle


class Crashed(msgspec.Struct):
    """The store thread met something it does not handle; the node must end."""

    error: BaseException


Report = Event | NextDue | SettleFailed | Crashed
