"""What a person has stopped: nothing of it is claimed until it goes on."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class PauseKind(StrEnum):
    """What a person can stop."""

    NAMESPACE = "namespace"
    WORKFLOW = "workflow"
    NODE = "node"  # it drains


class Pause(msgspec.Struct, frozen=True):
    """What a person has stopped: the name of a workflow, the id of a node, or "" for the whole namespace."""

    kind: PauseKind
    name: str
    paused_at: int
    paused_by: str
    reason: str
