"""What the reaper does with peers it judged dead (R3, R20): a real store, real processes, the clock passed in."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hydra import identity
from hydra.execution import NodeInfo, NodeRef, Submission
from hydra.node.reaper import Reaper
from hydra.stores import open_store
from hydra.stores.node_states import NodeState
from hydra.stores.store import Store
from hydra.stores.workflow_info import WorkflowInfo

NOW = 1_800_000_000_000_000
TTL_NS = 3_000
BEAT_NS = 600

HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
print("up", flush=True)
for line in sys.stdin:
    connection.execute(line.strip())
    print("done", flush=True)
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(f"sqlite:///{tmp_path}/hydra.db")
    store.open()
    yield store
    store.close()


@pytest.fixture
def holder(store: Store) -> Iterator[subprocess.Popen[str]]:
    """A process that has the database open and does what it is told."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, store.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    yield process
    process.kill()
    process.communicate()


def tell(holder: subprocess.Popen[str], statement: str) -> None:
    assert holder.stdin is not None and holder.stdout is not None
    holder.stdin.write(f"{statement}\n")
    holder.stdin.flush()
    assert holder.stdout.readline() == "done\n"


def register(store: Store, pid: int = 1, pid_started: int = 1, boot_id: str = "boot") -> NodeRef:
    return store.register_node(NodeInfo(str(uuid.uuid4()), "host", boot_id, pid, pid_started, "code", 2), NOW)


def state_of(store: Store, node: NodeRef) -> str:
    return next(state.state for state in store.nodes() if state.info.id == node.id)


class Interrupted:
    """A store before which something happens once the nodes have been read."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.then: Callable[[], object] = lambda: None

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def nodes(self) -> list[NodeState]:
        found = self._store.nodes()
        self.then()
        return found


def test_r3_a_peer_that_beats_after_it_was_looked_at_lives(store: Store) -> None:
    own, peer = register(store), register(store)
    looking = Interrupted(store)
    reaper = Reaper(looking, TTL_NS, store.path)  # type: ignore[arg-type]
    for now_ns in range(10_000, 10_000 + TTL_NS, BEAT_NS):
        reaper.look(own.id, lambda now_ns=now_ns: now_ns, NOW)  # type: ignore[misc]
    looking.then = lambda: store.heartbeat_node(peer, NOW)
    assert not reaper.look(own.id, lambda: 10_000 + TTL_NS, NOW)
    assert state_of(store, peer) == "alive"
    looking.then = lambda: None
    for now_ns in range(10_000 + TTL_NS, 10_000 + 3 * TTL_NS, BEAT_NS):
        reaper.look(own.id, lambda now_ns=now_ns: now_ns, NOW)  # type: ignore[misc]
    assert state_of(store, peer) == "dead"


def test_r3_what_remains_of_a_dead_node_is_killed_before_its_work_is_given_back(store: Store) -> None:
    """Nobody holds its lock file, so it is dead at once; a process without the lock still carries its name."""
    own, peer = register(store), register(store, boot_id=identity.boot_id())
    Path(identity.lock_path(identity.lock_prefix(store.path), peer.id)).touch()
    remains = subprocess.Popen(["sleep", "600"], env={**os.environ, identity.NODE_VARIABLE: peer.id})
    try:
        assert Reaper(store, TTL_NS, store.path).look(own.id, lambda: 10_000, NOW)
        assert remains.poll() == -signal.SIGKILL
        assert state_of(store, peer) == "dead"
    finally:
        remains.kill()
        remains.wait()


def test_r3_work_is_given_back_only_when_nothing_of_its_node_lives(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A process that hangs in the kernel outlives its SIGKILL; no test can make one."""
    own, peer = register(store), register(store, boot_id=identity.boot_id())
    store.submit([Submission(str(uuid.uuid4()), "w", b"", b"")], NOW)
    store.register_workflows(peer, [WorkflowInfo("w", b"{}", None, "")], NOW)
    assert len(store.claim(peer, ["w"], 1, NOW)) == 1
    Path(identity.lock_path(identity.lock_prefix(store.path), peer.id)).touch()
    reaper = Reaper(store, TTL_NS, store.path)
    with monkeypatch.context() as patch:
        patch.setattr(identity, "kill_processes", lambda *_: identity.Remains([], [4711], []))
        for _ in range(2):
            assert not reaper.look(own.id, lambda: 10_000, NOW)
            assert reaper.give_back(NOW) == 0
    (told,) = [record.message for record in caplog.records if "4711" in record.message]
    assert peer.id in told
    assert "do not end although they were killed" in told
    assert reaper.look(own.id, lambda: 10_600, NOW)
    assert reaper.give_back(NOW) == 1


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be two users")
def test_r3_another_users_processes_are_seen_and_told() -> None:
    """A child of the dead node's supervisor whose environment cannot be read."""
    remains = subprocess.Popen(["sleep", "600"], env={**os.environ, identity.NODE_VARIABLE: "node-a"})
    reader, writer = os.pipe()
    own, started = os.getpid(), identity.started_ticks(os.getpid())
    looking = os.fork()
    if looking == 0:
        os.setuid(65_534)
        found = [identity.kill_processes("node-a", own, number) for number in (started, started + 1)]
        os.write(writer, repr([list(map(list, each)) for each in found]).encode())
        os._exit(0)
    os.waitpid(looking, 0)
    try:
        (_, _, foreign), (_, _, unknown) = eval(os.read(reader, 65_536))
        assert remains.pid in foreign
        assert unknown == [], "that supervisor is another process"
        assert remains.poll() is None
    finally:
        remains.kill()
        remains.wait()
        os.close(reader)
        os.close(writer)


def test_r20_who_holds_the_write_lock_for_a_ttl_without_a_beat_is_killed(
    store: Store, holder: subprocess.Popen[str]
) -> None:
    register(store, holder.pid, identity.started_ticks(holder.pid), identity.boot_id())
    reaper = Reaper(store, TTL_NS, store.path)
    tell(holder, "begin immediate")
    reaper.locked_out(10_000)
    reaper.locked_out(10_000 + TTL_NS - 1)
    assert holder.poll() is None
    reaper.locked_out(10_000 + TTL_NS)
    assert holder.wait(30) == -signal.SIGKILL


def test_r20_a_holder_that_beats_between_two_looks_lives(store: Store, holder: subprocess.Popen[str]) -> None:
    node = register(store, holder.pid, identity.started_ticks(holder.pid), identity.boot_id())
    reaper = Reaper(store, TTL_NS, store.path)
    tell(holder, "begin immediate")
    reaper.locked_out(10_000)
    tell(holder, "commit")
    store.heartbeat_node(node, NOW)
    tell(holder, "begin immediate")
    reaper.locked_out(10_000 + TTL_NS)
    reaper.locked_out(10_000 + TTL_NS + 1)
    tell(holder, "commit")
    assert holder.poll() is None
