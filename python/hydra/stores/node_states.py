"""Nodes as the database knows them, and what it tells a node of what that runs."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from hydra.execution import Message, NodeInfo

NOBODY: Mapping[str, int] = MappingProxyType({})


class NodeState(msgspec.Struct, frozen=True):
    """A node as its peers see it; `counter` is its heartbeat (R3)."""

    info: NodeInfo
    state: str  # alive, dead, empty
    session: int
    counter: int
    registered_at: int
    beat_at: int
    running_count: int = 0
    code_version: str = ""  # of the workflows it registered last; a reload changes it within a registration


class Attention(msgspec.Struct, frozen=True):
    """A running execution of this node that somebody asked to stop: kind is "cancel" or "timeout"."""

    id: str
    epoch: int
    kind: str


class Beat(msgspec.Struct, frozen=True):
    """The answer to a heartbeat: how many executions the node runs in the database (R16), and what wants attention."""

    running_count: int
    attention: list[Attention]
    messages: list[Message] = []  # for what listens, the next page of each
    unread: list[str] = []  # of these, the executions that have more
    counter: int = 0  # after this beat
    now: int = 0  # the database's clock, read with it
    must_drain: bool = False  # somebody asked this node to end what it has, and itself


class Owned(msgspec.Struct, frozen=True):
    """What the database knows of one execution the node owns (R16)."""

    id: str
    epoch: int
    record_count: int


class Advanced(msgspec.Struct, frozen=True):
    """How many records an execution is known to have at least; its final end counts as one more (R19).

    That was so in the claim of `epoch`: where a generation ended in it or since, they are rightly forgotten.
    """

    id: str
    record_count: int
    epoch: int
