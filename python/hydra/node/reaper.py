"""The reaper: which other nodes are dead, and their work given back. Runs on the store thread after each own beat.

    counter still for a TTL, or lock file abandoned ──► mark_dead ──► kill what remains of it here
          ──► nothing of it lives here: record the tries that died with it ──► return_executions

Never judges by a clock of the database or of another host (R3), and never kills a supervisor that merely looks stopped,
except one that holds SQLite's write lock for a TTL (R20).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from contextlib import suppress

from hydra import identity
from hydra.codec import encode
from hydra.execution import ExecutionCommit, Record, RecordKind
from hydra.records.tries import Told
from hydra.stores.node_states import NodeState
from hydra.stores.store import Store
from hydra.worker.page import RunningStep, read_page

RECORDING_PER_TTL = 6  # the part of a lease for which crashes are recorded between two beats
RETURN_LIMIT = 500  # executions given back in one transaction

log = logging.getLogger("hydra.peers")


class BeatObserver:
    """Judges peers by their beat counters, on the observer's own boottime, over the time its own beats succeeded."""

    def __init__(self, ttl_ns: int) -> None:
        self._ttl_ns = ttl_ns
        self._seen: dict[str, tuple[int, int]] = {}  # node -> (counter, still for ns)
        self._beat_at_ns = 0
        self._answered_at_ns = 0

    def beaten(self, sent_ns: int) -> None:
        """An own beat succeeded, which was sent then. A gap between two of them starts the count again."""
        # guard R3: a gap between the observer's own beats starts the count again
        if not 0 <= sent_ns - self._beat_at_ns <= self._ttl_ns // 3:
            self._seen.clear()
        self._beat_at_ns = sent_ns

    def observe(self, asked_ns: int, answered_ns: int, counters: Mapping[str, int]) -> list[str]:
        """What was read between these instants, after an own beat: who stood still for a TTL. How long a reading took,
        or was put off, counts for nothing."""
        passed_ns = asked_ns - self._answered_at_ns  # guard R3: a look that is late or slow makes nobody older
        self._answered_at_ns = answered_ns
        seen = {}
        for node, counter in counters.items():
            # guard R3: a peer seen for the first time has a whole TTL
            before, still_ns = self._seen.get(node, (counter, -passed_ns))
            # guard R3: a counter that moved starts the count again
            seen[node] = (counter, still_ns + passed_ns if before == counter else 0)
        self._seen = seen
        # guard R3: a counter must stand still for a whole TTL
        return [node for node, (_, still_ns) in seen.items() if still_ns >= self._ttl_ns]


class Reaper:
    """How one node declares others dead. `database` is the SQLite file, None for a server."""

    def __init__(self, store: Store, ttl_ns: int, database: str | None) -> None:
        self._store = store
        self._ttl_ns = ttl_ns
        self._database = os.path.abspath(database) if database else None
        self._lock_prefix = identity.lock_prefix(database)
        self._observer = BeatObserver(ttl_ns)
        self._boot_id = identity.boot_id()
        self._sparing: dict[str, str] = {}  # dead nodes of which something lives here: what was told of that
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
                # guard R3: the count asks for the counter that was seen
                marked, why = self._store.mark_dead(id, node.counter, now), "its heartbeat stopped"
            else:
                continue
            if marked:
                log.warning("node `%s` on `%s` (pid %d) is dead: %s", id, node.info.host, node.info.pid, why)
                dead.append(node)
        for node in dead:
            # guard R3: what remains of a dead node here is killed before its work is given away
            if self._kill_remains(node) and self._record_crashes(node, boottime_ns, now):
                self._sparing.pop(node.info.id, None)
            else:
                self._sparing.setdefault(node.info.id, "")
        self._sparing = {node.info.id: self._sparing[node.info.id] for node in dead if node.info.id in self._sparing}
        for node in peers:
            if node.state == "empty" and self._is_abandoned(node.info.id):
                identity.remove_lock(identity.lock_path(self._lock_prefix, node.info.id))
        return len(dead) > len(self._sparing)

    def give_back(self, now: int) -> int:
        """One bounded transaction of a dead node's work; call again until it answers 0 (R8)."""
        # guard R3: work of a node of which something lives is not given back
        return self._store.return_executions(now, RETURN_LIMIT, list(self._sparing))

    def locked_out(self, now_ns: int) -> None:
        """The write lock could not be had: kill a node here that has held it for a TTL without a beat (R20)."""
        pid = identity.write_lock_holder(self._database) if self._database else None
        if pid is None:
            self._lock_held = None
            return
        holder = next((node for node in self._store.nodes() if node.info.pid == pid and self._is_here(node)), None)
        if holder is None:
            self._lock_held = None
        # guard R20: a holder whose counter moved starts again
        elif self._lock_held is None or self._lock_held[:2] != (holder.info.id, holder.counter):
            self._lock_held = (holder.info.id, holder.counter, now_ns)
        # guard R20: who holds the write lock for a whole TTL without a beat is killed
        elif now_ns - self._lock_held[2] >= self._ttl_ns and identity.kill_process(pid, holder.info.pid_started):
            log.warning("node `%s` (pid %d) held the write lock for a whole TTL: killed", holder.info.id, pid)
            self._lock_held = None

    def _is_here(self, node: NodeState) -> bool:
        return node.state == "alive" and node.info.boot_id == self._boot_id

    def _is_abandoned(self, node_id: str) -> bool:
        return identity.is_abandoned(identity.lock_path(self._lock_prefix, node_id))

    def _kill_remains(self, node: NodeState) -> bool:
        """Whether nothing of it lives on this host."""
        info = node.info
        if info.boot_id != self._boot_id:
            return True
        remains = identity.kill_processes(info.id, info.pid, info.pid_started)
        if remains.killed:
            log.warning("killed %d remaining processes of the dead node `%s`", len(remains.killed), info.id)
        if not remains.living and not remains.foreign:
            return True
        told = []
        if remains.living:
            told.append(f"processes {listed(remains.living)} do not end although they were killed")
        if remains.foreign:
            told.append(f"processes {listed(remains.foreign)} are another user's, who has to end them")
        why = ", and ".join(told)
        if self._sparing.get(info.id) != why:
            log.error("the work of the dead node `%s` is not given back yet: its %s", info.id, why)
            self._sparing[info.id] = why
        return False

    def _record_crashes(self, node: NodeState, boottime_ns: Callable[[], int], now: int) -> bool:
        """What its workers' pages still show, where they lie on this host; whether that is done."""
        paths = identity.page_paths(identity.lock_path(self._lock_prefix, node.info.id))
        tries: dict[tuple[str, int], list[RunningStep]] = {}
        for path in paths:
            with suppress(OSError):
                for step in read_page(path):
                    tries.setdefault((step.execution, step.epoch), []).append(step)
        began_ns = boottime_ns()
        offset_us = now - began_ns // 1000
        for (id, epoch), steps in tries.items():
            if boottime_ns() - began_ns > self._ttl_ns // RECORDING_PER_TTL:
                return False  # the rest after the next beat, which knows what is recorded by then
            crashes = crashes_of(steps, self._store.records(id), offset_us, now)
            if crashes:
                self._store.record_crashes(node.info.id, [ExecutionCommit(id, epoch, crashes)], now)
        for path in paths:
            with suppress(OSError):
                os.unlink(path)
        return True


def crashes_of(steps: list[RunningStep], records: list[Record], offset_us: int, now: int) -> list[Record]:
    """As the next records, without those whose end is recorded, and without steps that began on records which are not
    there: this database is an older one (R19), and what it says of the execution stands."""
    told = Told(records)
    seq = known_seq = records[-1].seq if records else 0
    payload = encode("its node died")
    crashes = []
    for step in steps:
        if step.durable_seq > known_seq or told.has(step):
            continue
        seq += 1
        crashes.append(
            Record(
                seq=seq,
                kind=RecordKind.CRASH,
                branch=step.branch,
                name=step.name,
                ordinal=step.ordinal,
                attempt=step.attempt,
                digest=step.digest,
                payload=payload,
                started_at=step.started_ns // 1000 + offset_us,
                finished_at=now,
            )
        )
    return crashes


def listed(pids: list[int]) -> str:
    return ", ".join(map(str, pids))
