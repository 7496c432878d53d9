"""Many processes on one file: turns, foreign writers, holders that stop or die. `database is locked` reaches nobody."""

from __future__ import annotations

import fcntl
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hydra.errors import StoreUnavailable
from hydra.identity import write_lock_holder
from hydra.stores import open_store
from hydra.stores.filter import Filter
from hydra.stores.sqlite import lock
from hydra.stores.store import Store

from tests.stores.store_values import NOW, WORKFLOW, claim, end, register, submit

ROOT = Path(__file__).resolve().parents[3]

SUBMITTER = """
import sys
from hydra.stores import open_store
from tests.stores.store_values import submit
store = open_store(sys.argv[1])
store.open()
print("started", flush=True)
for number in range(int(sys.argv[2])):
    submit(store, 1, key=f"{sys.argv[3]}-{number}")
store.close()
"""

HOLDER = """
import sys, time
from hydra.stores import open_store
from tests.stores.store_values import submit
store = open_store(sys.argv[1])
store.open()
with store.transaction():
    submit(store)
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/hydra.db"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    store = open_store(url)
    store.open()
    yield store
    assert store.audit() == []
    store.close()


def run(program: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def holder(url: str, store: Store) -> Iterator[subprocess.Popen[str]]:
    """A process in the middle of a write."""
    process = run(HOLDER, url)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_ten_submitting_processes_beside_a_node_never_see_a_lock(store: Store, url: str) -> None:
    node = register(store)
    processes = [run(SUBMITTER, url, "100", str(number)) for number in range(10)]
    ended = 0
    while ended < 1_000:
        store.wait_for_change(0.1)
        for one in claim(store, node):
            assert end(store, node, one, "completed", payload=b"")
            ended += 1
    for process in processes:
        _, errors = process.communicate()
        assert (process.returncode, errors) == (0, "")
    assert store.stats(NOW).counts == {WORKFLOW: {"completed": 1_000}}


def test_no_writer_starves_behind_one_that_writes_without_a_pause(store: Store, url: str) -> None:
    """Counted in the other's turns, not in time; by SQLite's own waiting it is a dozen and more."""
    program = """
import sqlite3, sys
from hydra.stores import open_store
from tests.stores.store_values import submit
store = open_store(sys.argv[1])
store.open()
reader = sqlite3.connect(store.path)
def turns():
    return reader.execute("select sum(count) from hydra_count where workflow = 'busy'").fetchone()[0] // 100
waited = []
for _ in range(100):
    before = turns()
    submit(store)
    waited.append(turns() - before)
store.close()
print(max(waited))
"""
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            submit(store, 100, workflow="busy")

    submit(store, 100, workflow="busy")
    thread = threading.Thread(target=write)
    thread.start()
    output, errors = run(program, url).communicate()
    stop.set()
    thread.join()
    assert errors == ""
    assert int(output) <= 5


def test_readers_go_on_beside_a_writer_that_holds_the_lock(store: Store, holder: subprocess.Popen[str]) -> None:
    assert store.list(Filter()) == []
    assert store.next_due_at() is None


def test_g7_a_write_that_waited_its_limit_is_refused_in_one_sentence(
    store: Store, holder: subprocess.Popen[str]
) -> None:
    store.write_wait_seconds = 0.1
    with pytest.raises(StoreUnavailable, match=r"was locked by another program for 0\.1 s") as caught:
        submit(store)
    assert caught.value.outcome is None
    assert "\n" not in str(caught.value)


def test_r20_the_process_that_holds_the_write_lock_is_known(
    store: Store, holder: subprocess.Popen[str], url: str
) -> None:
    assert write_lock_holder(url.removeprefix("sqlite:///")) == holder.pid


def test_a_killed_holder_leaves_neither_a_lock_nor_half_a_transaction(
    store: Store, holder: subprocess.Popen[str]
) -> None:
    holder.kill()
    holder.wait()
    submit(store)
    assert len(store.list(Filter())) == 1


def test_a_stopped_process_that_only_stands_in_the_queue_holds_up_nobody(store: Store, url: str) -> None:
    """It is stopped while it waits for its turn; the others pass it by."""
    with store.transaction():
        process = run(SUBMITTER, url, "1", "k")
        turn = f"{url.removeprefix('sqlite:///')}-hydra-turn"
        while not _is_flocked_by(turn, process.pid):
            assert process.poll() is None
            time.sleep(0.001)
        os.kill(process.pid, signal.SIGSTOP)
    submit(store)
    os.kill(process.pid, signal.SIGCONT)
    assert process.communicate()[1] == ""
    assert len(store.list(Filter())) == 2


def test_a_foreign_writer_is_waited_for(store: Store, url: str) -> None:
    """The sqlite3 shell and other programs know nothing of hydra's turns."""
    foreign = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None, check_same_thread=False)
    foreign.execute("begin immediate")
    timer = threading.Timer(0.4, lambda: foreign.execute("commit"))
    timer.start()
    submit(store)
    timer.join()
    foreign.close()


def test_r7_whoever_writes_reads_nothing_before_it_has_the_lock(store: Store, url: str) -> None:
    foreign = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    foreign.execute("begin immediate")
    store.write_wait_seconds = 0.1
    began = False
    with pytest.raises(StoreUnavailable), store.transaction():
        began = True
    assert not began
    foreign.close()


def test_threads_of_one_program_take_turns(store: Store) -> None:
    errors: list[BaseException] = []

    def write() -> None:
        try:
            for _ in range(50):
                submit(store)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert store.stats(NOW).counts == {WORKFLOW: {"pending": 400}}


def test_g1_what_was_acknowledged_survives_a_kill_and_what_was_not_is_whole_or_absent(store: Store, url: str) -> None:
    program = """
import sys
from hydra.stores import open_store
from tests.stores.store_values import submit
store = open_store(sys.argv[1])
store.open()
while True:
    print(*submit(store, 7), flush=True)
"""
    for _ in range(5):
        process = run(program, url)
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(20)]
        process.kill()
        lines += process.communicate()[0].splitlines()
        ids = [id for line in lines for id in line.split() if len(line.split()) == 7 and len(id) == 36]
        assert len(ids) >= 140
        assert None not in store.get(ids)
        (pending,) = store.stats(NOW).counts.values()
        assert pending["pending"] % 7 == 0


def _is_flocked_by(path: str, pid: int) -> bool:
    inode = os.stat(path).st_ino
    fields = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    return any(one[1] == "FLOCK" and one[4] == str(pid) and one[5].endswith(f":{inode}") for one in fields)


QUEUER = """
import os, sys, time
from hydra.stores.sqlite.lock import WriteQueue
queue = WriteQueue(sys.argv[1])
queue.acquire(time.monotonic() + 600)
print("held", flush=True)
time.sleep(600)
"""


def test_a_process_stopped_between_its_turn_and_sqlites_lock_is_passed_by_at_once(
    store: Store, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise each writer would wait for it, as long as anybody waits: here ten minutes, there two seconds."""
    monkeypatch.setattr(lock, "WRITE_PATIENCE_SECONDS", 600.0)
    store.write_wait_seconds = 600.0
    process = run(QUEUER, url.removeprefix("sqlite:///"))
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        process.send_signal(signal.SIGSTOP)
        writer = threading.Thread(target=lambda: [submit(store) for _ in range(5)], daemon=True)
        writer.start()
        writer.join(60)
        assert not writer.is_alive()
    finally:
        process.kill()
        process.communicate()
    assert sum(store.stats(NOW).counts[WORKFLOW].values()) == 5
    submit(store)  # and the queue is whole again


class SleepingClock:
    """Time passes only where somebody sleeps; `free_at` says when to let go of what is held."""

    def __init__(self) -> None:
        self.now, self.sleeps, self.free_at = 0.0, 0, float("inf")
        self.free: Callable[[], None] = lambda: None

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.sleeps += 1
        if self.now >= self.free_at:
            self.free_at = float("inf")
            self.free()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SleepingClock:
    clock = SleepingClock()
    monkeypatch.setattr(lock, "time", clock)
    return clock


def held(path: Path, operation: int) -> int:
    """Somebody else's descriptor of a lock file."""
    descriptor = os.open(path, os.O_RDWR)
    fcntl.flock(descriptor, operation)
    return descriptor


def test_who_waits_long_for_each_turn_asks_a_few_times_in_it_and_at_once_again_when_nobody_waits(
    tmp_path: Path, clock: SleepingClock
) -> None:
    queue = lock.WriteQueue(str(tmp_path / "file"))
    turn = held(tmp_path / f"file{lock.BELL_SUFFIX}", fcntl.LOCK_UN)

    def sleeps_for(seconds: float) -> int:
        clock.sleeps, clock.free_at = 0, clock.now + seconds
        clock.free = lambda: fcntl.flock(turn, fcntl.LOCK_UN)
        fcntl.flock(turn, fcntl.LOCK_EX)
        queue.acquire(clock.now + 20)
        queue.release()
        return clock.sleeps

    assert sleeps_for(0.1) > 100
    for _ in range(10):
        last = sleeps_for(0.1)
    assert last <= 2 * lock.QUEUED_POLLS
    for _ in range(10):
        queue.acquire(clock.now + 20)
        queue.release()
    assert sleeps_for(0.01) > 10
    queue.close()
    os.close(turn)


def test_who_has_waited_in_vain_for_a_turn_does_not_ask_as_often_as_the_next(
    tmp_path: Path, clock: SleepingClock
) -> None:
    queue = lock.WriteQueue(str(tmp_path / "file"))
    turn, write = (held(tmp_path / f"file{end}", fcntl.LOCK_EX) for end in (lock.BELL_SUFFIX, "-hydra-lock"))
    queue.acquire(clock.now + 20)
    seconds = lock.TURN_PATIENCE_SECONDS + lock.WRITE_PATIENCE_SECONDS
    assert clock.sleeps < 1.2 * seconds / lock.QUEUED_POLL_SECONDS
    queue.close()
    os.close(turn)
    os.close(write)


def test_who_waits_long_looks_a_few_times_whether_the_holder_is_stopped(
    tmp_path: Path, clock: SleepingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look reads the kernel's table of all locks: a hundred who wait took most of a core for it."""
    looks: list[float] = []
    monkeypatch.setattr(lock, "is_held_by_stopped", lambda _: looks.append(clock.now))
    queue = lock.WriteQueue(str(tmp_path / "file"))
    turn, write = (held(tmp_path / f"file{end}", fcntl.LOCK_EX) for end in (lock.BELL_SUFFIX, "-hydra-lock"))
    queue.acquire(clock.now + 20)
    assert looks[0] < 1.2 * lock.STOPPED_LOOK_SECONDS
    assert 4 <= len(looks) <= 10
    queue.close()
    os.close(turn)
    os.close(write)
