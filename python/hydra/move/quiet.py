"""Before a move nobody may be at work on the source: living nodes are refused, dead ones' work is given back.

Goes by what nodes go by (`hydra.node.reaper`): a counter that stands still for a lease, a lock file that nobody holds.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from hydra.clock import boottime_ns
from hydra.errors import IllegalMove
from hydra.node.reaper import Reaper
from hydra.stores.node_states import NodeState
from hydra.stores.store import Store

LOOKS_PER_LEASE = 20


def quieten(
    store: Store,
    lease_seconds: float,
    clock_ns: Callable[[], int] = boottime_ns,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Raises IllegalMove, and changes nothing, where a node beats; a node that was killed is declared dead after a
    lease (at once where this host can tell), its executions are pending again."""
    reaper = Reaper(store, int(lease_seconds * 1e9), store.path)
    first: dict[str, int] = {}
    while True:
        reaper.beaten(clock_ns())
        reaper.look("", clock_ns, store.now())
        living = [node for node in store.nodes() if node.state == "alive"]
        for node in living:
            if node.counter != first.setdefault(node.info.id, node.counter):
                raise _lives(node, store)
        if not living:
            break
        sleep(lease_seconds / LOOKS_PER_LEASE)
    while reaper.give_back(store.now()):
        pass
    for node in store.nodes():
        if node.running_count:
            raise IllegalMove(
                f"dead node `{node.info.id}` on `{node.info.host}` still holds {node.running_count} executions of "
                f"namespace `{store.namespace}`; end what is left of its processes (its pid was {node.info.pid})"
            )


def _lives(node: NodeState, store: Store) -> IllegalMove:
    return IllegalMove(
        f"node `{node.info.id}` on `{node.info.host}` (pid {node.info.pid}) is at work in namespace "
        f"`{store.namespace}` of `{store.url}`; stop it, then move"
    )
