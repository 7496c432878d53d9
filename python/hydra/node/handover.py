"""What differs from a node's code is written as another node's, while there is one with the recorder's code (R27).

`Handover` decides; here the other nodes and the audit trail are read for it, outside of the commit's transaction.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterable, Sequence

import msgspec

from hydra.dispatch.handover import FULL_PAUSE_US, Handover
from hydra.execution import DIVERGED, End, Ending, ExecutionCommit, NodeRef
from hydra.stores.batches import ends_of
from hydra.stores.store import Store

log = logging.getLogger("hydra.store")


def has_diverged(ends: Iterable[End]) -> bool:
    return any(end.cause == DIVERGED for end in ends)


def with_recipients(store: Store, node: NodeRef, commits: list[ExecutionCommit], now: int) -> list[ExecutionCommit]:
    """The same commits; those that differ go to a node with the recorder's code, or wait until one has room."""
    handover = Handover(store.nodes(), node.id)
    servers = servers_of(store, [each.id for each in commits if has_diverged(ends_of([each]))])
    named = []
    for commit in commits:
        end = commit.end
        if end is not None and end.cause == DIVERGED:
            commit = copy.copy(commit)
            candidates = [id for id in handover.candidates(store.claims(commit.id)) if id in servers.get(commit.id, ())]
            commit.successor = handover.choose(commit.id, candidates)
            if commit.successor:
                message = "execution `%s` differs from this code and goes over to node `%s`, which has it"
                log.info(message, commit.id, commit.successor)
            elif candidates:
                commit.end = msgspec.structs.replace(end, kind=Ending.SLEEPING, wake_at=now + FULL_PAUSE_US)
        named.append(commit)
    return named


def servers_of(store: Store, ids: Sequence[str]) -> dict[str, Sequence[str]]:
    """The living nodes that run each execution's workflow: one with the same code may be for others."""
    servers = store.servers()
    return {found.id: servers.get(found.workflow, ()) for found in store.get(ids) if found is not None}


def going_on_elsewhere(commits: Iterable[ExecutionCommit]) -> frozenset[str]:
    """Of those that differ, the ones that are not parked."""
    return frozenset(commit.id for commit in commits if commit.successor or _waits(commit))


def _waits(commit: ExecutionCommit) -> bool:
    return commit.end is not None and commit.end.cause == DIVERGED and commit.end.kind == Ending.SLEEPING
