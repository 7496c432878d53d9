"""The reaper: which other nodes are dead, and their work given back. Runs on the store thread after each own beat.

    counter still for a TTL, or lock file abandoned ──► mark_dead ──► kill what remains of it here ──► return_executions

Never judges by a clock of the database or of another host (R3), and never kills a supervisor that merely looks stopped,
except one that holds SQLite's write lock for a TTL (R20).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping

from hydra import identity
from hydra.stores.store import NodeState, Store

RETURN_LIMIT = 500  # executions given back in one transaction

log = logging.getLogger("hydra.peers")


class Observer:
    """Judges peers by their beat counters, on the observer's own boottime, over the time its own beats succeeded."""

    def __init__(self, ttl_ns: int) -> None:
        self._ttl_ns = ttl_ns
        self._seen: dict[str, tuple[int, int]] = {}  # node -> (counter, still for ns)
        self._beat_at_ns = 0
        self._answered_at_ns = 0

    def beaten(self, sent_ns: int) -> None:
        """An own beat succeeded, which was sent then. A gap between two of them starts the count anew."""
        if not 0 <= sent_ns - self._beat_at_ns <= self._ttl_ns // 3:
            self._seen.clear()
        self._beat_at_ns = sent_ns

    def observe(self, asked_ns: int, answered_ns: int, counters: Mapping[str, int]) -> list[str]:
        """What was read between these instants, after an own beat: who stood still for a TTL. How long a reading took,
        or was put off, counts for nothing."""
        passed_ns = asked_ns - self._answered_at_ns
        self._answered_at_ns = answered_ns
        seen = {}
        for node, counter in counters.items():
            before, still_ns = self._seen.get(node, (counter, -passed_ns))
            seen[node] = (counter, still_ns + passed_ns if before == counter else 0)
        self._seen = seen
        return [node for node, (_, still_ns) in seen.items() if still_ns >= self._ttl_ns]


class Reaper:
    """One node's part in burying others. `database` is the SQLite file, None for a server."""

    def __init__(self, store: Store, ttl_ns: int, database: str | None) -> None:
        self._store = store
        self._ttl_ns = ttl_ns
        self._database = os.path.abspath(database) if database else None
        self._lock_prefix = identity.lock_prefix(database)
        self._observer = Observer(ttl_ns)
        self._boot_id = identity.boot_id()
        self._lock_held: tuple[str, int, int] | None = None  # (node, its counter, since ns)

    def beaten(self, sent_ns: int) -> None:
        """This node's own beat succeeded."""
        self._observer.beaten(sent_ns)

    def look(self, own_id: str, boottime_ns: Callable[[], int], now: int) -> bool:
        """Mark who is dead; whether some dead node's work waits to be given back."""
        self._lock_held = None
        asked_ns = boottime_ns()
        peers = [node for node in self._store.nodes() if node.info.id != own_id]
        answered_ns = boottime_ns()
        alive = {node.info.id: node for node in peers if node.state == "alive"}
        dead = [node for node in peers if node.state == "dead"]
        counters = {id: node.counter for id, node in alive.items()}
        stopped = set(self._observer.observe(asked_ns, answered_ns, counters))
        for id, node in alive.items():
            if self._is_abandoned(id):
                marked, why = self._store.mark_dead(id, None, now), "all its processes are gone"
            elif id in stopped:
                marked, why = self._store.mark_dead(id, node.counter, now), "its heartbeat stopped"
            else:
                continue
            if marked:
                log.warning("node `%s` on `%s` (pid %d) is dead: %s", id, node.info.host, node.info.pid, why)
                dead.append(node)
        for node in dead:
            self._kill_remains(node)
        for node in peers:
            if node.state == "empty" and self._is_abandoned(node.info.id):
                identity.remove_lock(identity.lock_path(self._lock_prefix, node.info.id))
        return bool(dead)

    def give_back(self, now: int) -> int:
        """One bounded transaction of a dead node's work; call again until it answers 0 (R8)."""
        return self._store.return_executions(now, RETURN_LIMIT)

    def locked_out(self, now_ns: int) -> None:
        """The write lock could not be had: kill a node here that has held it for a TTL without a beat (R20)."""
        pid = identity.write_lock_holder(self._database) if self._database else None
        if pid is None:
            self._lock_held = None
            return
        holder = next((node for node in self._store.nodes() if node.info.pid == pid and self._is_here(node)), None)
        if holder is None:
            self._lock_held = None
        elif self._lock_held is None or self._lock_held[:2] != (holder.info.id, holder.counter):
            self._lock_held = (holder.info.id, holder.counter, now_ns)
        elif now_ns - self._lock_held[2] >= self._ttl_ns and identity.kill_process(pid, holder.info.pid_started):
            log.warning("node `%s` (pid %d) held the write lock for a whole TTL: killed", holder.info.id, pid)
            self._lock_held = None

    def _is_here(self, node: NodeState) -> bool:
        return node.state == "alive" and node.info.boot_id == self._boot_id

    def _is_abandoned(self, node_id: str) -> bool:
        return identity.is_abandoned(identity.lock_path(self._lock_prefix, node_id))

    def _kill_remains(self, node: NodeState) -> None:
        if node.info.boot_id == self._boot_id:
            pids = identity.kill_processes(node.info.id)
            if pids:
                log.warning("killed %d remaining processes of the dead node `%s`", len(pids), node.info.id)
