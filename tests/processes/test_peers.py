"""Who is judged dead, by what (R3, R20). The clock is passed in; locks and processes are real."""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hydra import identity
from hydra.node.reaper import BeatObserver

TTL_NS = 3_000
BEAT_NS = 600


def observe(observer: BeatObserver, now: int, counters: dict[str, int]) -> list[str]:
    """A beat, and a look at the others without delay."""
    observer.beaten(now)
    return observer.observe(now, now, counters)


def test_r3_a_counter_that_stands_still_for_a_ttl_is_dead() -> None:
    observer = BeatObserver(TTL_NS)
    seen = [observe(observer, now, {"a": 7, "b": now}) for now in range(10_000, 13_600, BEAT_NS)]
    assert seen == [[], [], [], [], [], ["a"]]


def test_r3_a_counter_that_moves_starts_the_count_again() -> None:
    observer = BeatObserver(TTL_NS)
    counters = [7, 7, 7, 7, 8, 8, 8, 8, 8]
    seen = [observe(observer, 10_000 + BEAT_NS * turn, {"a": counter}) for turn, counter in enumerate(counters)]
    assert seen == [[]] * 9


@pytest.mark.parametrize("gap_ns", [TTL_NS // 3 + 1, TTL_NS, 100 * TTL_NS])
def test_r3_time_in_which_the_observer_could_not_beat_counts_for_nothing(gap_ns: int) -> None:
    observer = BeatObserver(TTL_NS)
    now = 10_000
    for _ in range(5):
        assert observe(observer, now, {"a": 7}) == []
        now += BEAT_NS
    now += gap_ns - BEAT_NS
    for _ in range(5):
        assert observe(observer, now, {"a": 7}) == []
        now += BEAT_NS
    assert observe(observer, now, {"a": 7}) == ["a"]


def test_r3_a_peer_seen_for_the_first_time_has_a_whole_ttl() -> None:
    observer = BeatObserver(TTL_NS)
    for now in range(10_000, 20_000, BEAT_NS):
        observe(observer, now, {})
    for now in range(20_200, 20_200 + TTL_NS, BEAT_NS):
        assert observe(observer, now, {"late": 1}) == []
    assert observe(observer, 20_200 + TTL_NS, {"late": 1}) == ["late"]


def test_r3_a_look_that_is_late_or_slow_makes_nobody_older() -> None:
    """The node has stood still since its counter was read, not since the observer's beat before that."""
    observer = BeatObserver(TTL_NS)
    observer.beaten(10_000)
    assert observer.observe(10_300, 10_900, {"a": 7}) == []
    beats = range(10_950, 14_000, BEAT_NS)
    assert [observe(observer, now, {"a": 7}) for now in beats] == [[], [], [], [], [], ["a"]]


def test_r3_beats_between_two_looks_leave_no_gap() -> None:
    """A look may be left out while the database is slow; what counts is whether the observer's own beats succeeded."""
    observer = BeatObserver(TTL_NS)
    for now in range(10_000, 13_000, BEAT_NS):
        observer.beaten(now)
        if now % (2 * BEAT_NS) == 10_000 % (2 * BEAT_NS):
            assert observer.observe(now, now, {"a": 7}) == []
    assert observe(observer, 13_000, {"a": 7}) == ["a"]


def test_r3_a_lock_file_is_abandoned_when_the_last_process_with_it_is_gone(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    assert not identity.is_abandoned(path), "what does not exist says nothing"
    lock = identity.NodeLock(path)
    worker = subprocess.Popen(["sleep", "600"], pass_fds=[lock.fd])
    lock.close()
    assert not identity.is_abandoned(path)
    worker.kill()
    worker.wait()
    assert identity.is_abandoned(path)


def test_r3_what_remains_of_a_node_is_killed_and_nothing_else() -> None:
    def sleeper(node: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(["sleep", "600"], env={**os.environ, identity.NODE_VARIABLE: node})

    ours, other = sleeper("node-a"), sleeper("node-ab")
    try:
        assert identity.kill_processes("node-a") == ([ours.pid], [], [])
        assert ours.wait(10) == -signal.SIGKILL
        assert other.poll() is None
    finally:
        for process in (ours, other):
            process.kill()
            process.wait()


def test_a_descriptor_past_a_thousand_can_be_waited_for() -> None:
    """A supervisor of a hundred workers has them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))
    reader, writer = os.pipe()
    high = fcntl.fcntl(reader, fcntl.F_DUPFD_CLOEXEC, 1500)
    try:
        assert identity.wait_readable([high], 0.0) == set()
        os.write(writer, b"x")
        assert identity.wait_readable([high], 10.0) == {high}
    finally:
        for descriptor in (reader, writer, high):
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_r20_the_kernel_names_the_process_that_holds_the_write_lock(tmp_path: Path) -> None:
    path = str(tmp_path / "file.db")
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("pragma journal_mode = wal")
    connection.execute("create table t (x)")
    assert identity.write_lock_holder(path) is None
    program = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); c.execute('begin immediate');"
        "print('locked', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "locked\n"
    assert identity.write_lock_holder(path) == holder.pid
    holder.communicate()
    assert identity.write_lock_holder(path) is None


def test_r20_only_the_process_that_started_then_is_killed() -> None:
    process = subprocess.Popen(["sleep", "600"])
    started = identity.started_ticks(process.pid)
    assert not identity.kill_process(process.pid, started + 1)
    assert process.poll() is None
    assert identity.kill_process(process.pid, started)
    assert process.wait(10) == -signal.SIGKILL
    assert not identity.kill_process(process.pid, started)
