"""The native threads: they keep time and end a worker even while Python holds the interpreter."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from hydra import _core
from hydra.worker.page import Page

MS = 1_000_000
DEADLINE_SECONDS = 20.0

# `sum` over a range is one call into C: it does not let go of the GIL.
GIL_HOG = "sum(range({}))"


@pytest.fixture
def heartbeat() -> Iterator[_core.Watchdog]:
    made = _core.Watchdog()
    made.start()
    yield made
    made.close()


def wait_for(heartbeat: _core.Watchdog, count: int) -> list[tuple[int, int, int, int, int]]:
    """The next `count` events; every wait is for the descriptor."""
    events: list[tuple[int, int, int, int, int]] = []
    while len(events) < count:
        assert is_ready(heartbeat, DEADLINE_SECONDS), f"nothing came due; so far {events}"
        events += heartbeat.due()
    return events


def is_ready(heartbeat: _core.Watchdog, seconds: float) -> bool:
    """By `poll`: `select` knows no descriptor above 1023, and this process may have run many tests."""
    poll = select.poll()
    poll.register(heartbeat.fileno(), select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def run_python(program: str, *descriptors: int) -> subprocess.Popen[bytes]:
    """A process in a group of its own, holding the descriptors under their numbers."""
    return subprocess.Popen(
        [sys.executable, "-c", program],
        pass_fds=descriptors,
        start_new_session=True,
        stdout=subprocess.PIPE,
    )


def test_timers_come_due_in_order_and_a_second_arming_replaces_the_first(heartbeat: _core.Watchdog) -> None:
    now = _core.boottime_ns()
    heartbeat.arm(1, 1, now + 400 * MS)
    heartbeat.arm(1, 2, now + 200 * MS)
    heartbeat.arm(1, 1, now + 100 * MS)
    heartbeat.arm(2, 1, now + 150 * MS)
    heartbeat.disarm(2, 1)
    events = wait_for(heartbeat, 2)
    assert [event[:3] for event in events] == [(1, 1, 0), (1, 2, 0)]
    assert [event[3] for event in events] == [now + 100 * MS, now + 200 * MS]
    assert all(fired_ns >= due_ns for *_, due_ns, fired_ns in events)


def test_lateness_is_reported(heartbeat: _core.Watchdog) -> None:
    heartbeat.arm(0, 0, _core.boottime_ns() - 50 * MS)
    wait_for(heartbeat, 1)
    count, max_ns, total_ns = heartbeat.lateness()
    assert count == 1
    assert max_ns == total_ns >= 50 * MS


def test_timers_fire_on_time_while_python_holds_the_gil() -> None:
    program = f"""
import time
from hydra import _core
heartbeat = _core.Watchdog()
heartbeat.start()
now = _core.boottime_ns()
for index in range(20):
    heartbeat.arm(0, index, now + index * 10_000_000)
started = time.monotonic()
{GIL_HOG.format(10**8)}
assert time.monotonic() - started > 0.3
events = heartbeat.due()
print(len(events), max(fired - due for *_, due, fired in events))
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, timeout=100)
    count, max_late_ns = map(int, result.stdout.split())
    assert count == 20
    # All fired before the hog ended, or the last would be a second late.
    assert max_late_ns < 250 * MS


def test_the_ready_descriptor_is_quiet_once_all_is_taken(heartbeat: _core.Watchdog) -> None:
    heartbeat.arm(0, 0, 0)
    wait_for(heartbeat, 1)
    assert not is_ready(heartbeat, 0)


def test_importing_and_constructing_starts_no_thread() -> None:
    program = "import os; from hydra import _core; h = _core.Watchdog(); print(len(os.listdir('/proc/self/task')))"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout == b"1\n"


def test_a_heartbeat_is_refused_after_a_fork(heartbeat: _core.Watchdog) -> None:
    heartbeat.arm(0, 0, 0)
    pid = os.fork()
    if pid == 0:
        refused = 0
        for use in (heartbeat.start, heartbeat.due, heartbeat.close, lambda: heartbeat.arm(0, 0, 0)):
            try:
                use()
            except RuntimeError as error:
                refused += "after a fork" in str(error)
        code = 1
        try:
            own = _core.Watchdog()
            own.start()
            own.arm(3, 4, 0)
            event = wait_for(own, 1)[0]
            code = 0 if (refused, event[:2]) == (4, (3, 4)) else 1
        finally:  # whatever happens: it must not go on with the tests of its parent
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0


def test_ids_of_a_parent_and_its_child_differ_after_a_fork() -> None:
    _core.uuid7()
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writing, "".join(_core.uuid7_many(100)).encode())
        os._exit(0)
    own = set(_core.uuid7_many(100))
    os.waitpid(pid, 0)
    text = os.read(reading, 3600).decode()
    assert len(text) == 3600
    assert own.isdisjoint(text[at : at + 36] for at in range(0, 3600, 36))
    # The tails would agree if the child drew from the parent's pool.
    assert {one[-12:] for one in own}.isdisjoint(text[at + 24 : at + 36] for at in range(0, 3600, 36))


def test_a_worker_that_ends_with_its_supervisor_even_when_python_holds_the_gil() -> None:
    page = Page.create(1)
    reading, writing = os.pipe()
    worker = run_python(
        f"from hydra import _core; _core.Lifeline({reading}, {page.fd}); print('up', flush=True); "
        + GIL_HOG.format(10**12),
        reading,
        page.fd,
    )
    assert worker.stdout is not None
    assert worker.stdout.readline() == b"up\n"
    os.close(reading)
    os.close(writing)
    assert worker.wait(DEADLINE_SECONDS) == -signal.SIGKILL
    assert page.beats() >= 1
    page.close()


def test_a_worker_is_silent_once_it_is_stopped_and_not_before(heartbeat: _core.Watchdog) -> None:
    page = Page.create(1)
    reading, writing = os.pipe()
    worker = run_python(
        f"import sys; from hydra import _core; _core.Lifeline({reading}, {page.fd}); print('up', flush=True); "
        "sys.stdin.read() if 0 else __import__('signal').pause()",
        reading,
        page.fd,
    )
    assert worker.stdout is not None
    worker.stdout.readline()
    beats = page.beats()
    heartbeat.watch(5, page.fd, 2_000 * MS, 2_000 * MS)
    while page.beats() < beats + 3:
        assert heartbeat.due() == []
    os.kill(worker.pid, signal.SIGSTOP)
    kind, key, token, due_ns, fired_ns = wait_for(heartbeat, 1)[0]
    assert (kind, key, token) == (_core.Watchdog.SILENT, 5, 0)
    assert fired_ns >= due_ns
    os.close(writing)
    os.close(reading)
    worker.kill()
    worker.wait()
    page.close()


SLOW_PAYLOAD = """
import dataclasses, sys
from hydra import _core, codec
@dataclasses.dataclass
class Slow:
    item: int
    def __getattribute__(self, name):
        if name == "item":
            print("asked", flush=True)
            sys.stdin.readline()
        return object.__getattribute__(self, name)
slow = Slow(1)
_core.Lifeline({}, {})
codec.encode(slow)
print("done", flush=True)
sys.stdin.readline()
"""


def test_a_worker_that_stays_in_one_payload_is_stalled_until_it_is_through(heartbeat: _core.Watchdog) -> None:
    page = Page.create(1)
    reading, writing = os.pipe()
    worker = subprocess.Popen(
        [sys.executable, "-c", SLOW_PAYLOAD.format(reading, page.fd)],
        pass_fds=(reading, page.fd),
        start_new_session=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert worker.stdin is not None and worker.stdout is not None
    assert worker.stdout.readline() == b"asked\n"
    heartbeat.watch(5, page.fd, 60_000 * MS, 300 * MS)
    kind, key, *_ = wait_for(heartbeat, 1)[0]
    assert (kind, key) == (_core.Watchdog.STALLED, 5)
    busy_since, work = page.standing()
    assert busy_since == 0 and work > 0, "the hub's own word says nothing of it"
    said = b"asked\n"
    while said == b"asked\n":  # the field may be read more than once
        worker.stdin.write(b"on\n")
        worker.stdin.flush()
        said = worker.stdout.readline()
    assert said == b"done\n"
    beats = page.beats()
    while page.beats() < beats + 2:
        assert worker.poll() is None
    assert page.standing() == (0, 0)
    worker.kill()
    worker.communicate()
    os.close(writing)
    os.close(reading)
    page.close()


def test_a_step_past_its_deadline_names_its_slot_and_token(heartbeat: _core.Watchdog) -> None:
    page = Page.create(4)
    slot = page.enter(77, _core.boottime_ns() + 50 * MS, "", "charge", 1, 1)
    heartbeat.watch(9, page.fd, 10**15, 10**15)
    kind, key, token, *_ = wait_for(heartbeat, 1)[0]
    assert (kind, divmod(key, _core.Watchdog.MAX_SLOTS_PER_WORKER), token) == (_core.Watchdog.OVERDUE, (9, slot), 77)
    heartbeat.unwatch(9)
    page.close()


def test_a_step_in_a_page_that_grew_is_watched_too(heartbeat: _core.Watchdog) -> None:
    page = Page.create(1)
    heartbeat.watch(9, page.fd, 10**15, 10**15)
    for token in range(1, 100):
        page.enter(token, 0, "", "quick", 1, 1)
    slot = page.enter(100, _core.boottime_ns() + 50 * MS, "", "slow", 1, 1)
    assert slot >= 1
    kind, key, token, *_ = wait_for(heartbeat, 1)[0]
    assert (kind, divmod(key, _core.Watchdog.MAX_SLOTS_PER_WORKER), token) == (_core.Watchdog.OVERDUE, (9, slot), 100)
    heartbeat.unwatch(9)
    page.close()


def test_a_busy_hub_is_stalled_after_its_time(heartbeat: _core.Watchdog) -> None:
    page = Page.create(0)
    page.set_busy(_core.boottime_ns())
    heartbeat.watch(1, page.fd, 10**15, 100 * MS)
    assert wait_for(heartbeat, 1)[0][:2] == (_core.Watchdog.STALLED, 1)
    page.close()


def test_mistakes_are_refused(heartbeat: _core.Watchdog) -> None:
    with pytest.raises(ValueError, match="kinds from 0 on"):
        heartbeat.arm(-1, 0, 0)
    reading, writing = os.pipe()
    with pytest.raises(ValueError, match="not a worker's page"):
        heartbeat.watch(1, reading, 1, 1)
    with pytest.raises(OSError, match="cannot be kept"):
        heartbeat.watch(1, 9999, 1, 1)
    with pytest.raises(ValueError, match="not a signal"):
        _core.set_parent_death_signal(999)
    os.close(reading)
    os.close(writing)


def test_a_subreaper_gets_the_orphans() -> None:
    program = """
import os
from hydra import _core
_core.set_child_subreaper()
if (pid := os.fork()) == 0:
    if os.fork() == 0:
        os._exit(7)
    os._exit(0)
print(sorted(os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(2)))
"""
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout == b"[0, 7]\n"


def test_a_child_can_ask_to_die_with_its_parent() -> None:
    program = """
import os, signal
from hydra import _core
reading, writing = os.pipe()
if (pid := os.fork()) == 0:
    _core.set_parent_death_signal(signal.SIGKILL)
    print(os.getpid(), flush=True)
    os.write(writing, b"x")
    signal.pause()
os.read(reading, 1)
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, timeout=DEADLINE_SECONDS)
    # Its output is at its end only because the child, which held it open too, is gone.
    assert result.stdout.strip().isdigit()


def test_the_clock_counts_boot_time() -> None:
    before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    assert before <= _core.boottime_ns() <= time.clock_gettime_ns(time.CLOCK_BOOTTIME)
