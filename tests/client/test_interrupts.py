"""A program whose main thread is interrupted by a signal's handler (Ctrl-C, a job's soft time limit) at any moment:
what `submit` returned for is there, and the engine serves on, other threads included (G1)."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hydra import Engine

from tests.client.conftest import DATABASES

INTERRUPTED = """
import random, signal, sys, threading
import hydra

@hydra.workflow(name="interrupts.one")
def one(number: int) -> int:
    return number

engine = hydra.Engine(sys.argv[1], timeout=20)
engine.stats()
chance = random.Random(int(sys.argv[2]))
class SoftTimeLimit(TimeoutError if sys.argv[4] == "TimeoutError" else Exception):
    pass

fired = 0

def limit(*_):
    global fired
    fired += 1
    raise SoftTimeLimit

def is_interrupt(error):
    # psycopg and others make an error of their own of what comes in between; of a TimeoutError an unresolved host.
    if issubclass(SoftTimeLimit, OSError) and isinstance(error, hydra.errors.StoreUnavailable):
        return True
    while error is not None and not isinstance(error, (KeyboardInterrupt, SoftTimeLimit)):
        error = error.__context__
    return error is not None

signal.signal(signal.SIGALRM, signal.default_int_handler if sys.argv[4] == "KeyboardInterrupt" else limit)
accepted, interrupts = [], 0
while interrupts < 400:
    try:
        signal.setitimer(signal.ITIMER_REAL, chance.uniform(0.0001, float(sys.argv[3])))
        try:
            id = engine.submit(one.bind(interrupts), key=f"{interrupts}-{len(accepted)}").id
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        accepted.append(id)
    except BaseException as error:
        if not is_interrupt(error):
            raise
        interrupts += 1
        if isinstance(error, (KeyboardInterrupt, SoftTimeLimit)) and hasattr(error, "execution_id"):
            assert error.outcome == "unknown" and error.execution_id
assert interrupts >= 0.9 * fired, f"{fired - interrupts} of {fired} limits that fired were swallowed"
if sys.argv[4] != "KeyboardInterrupt":
    first, last = (engine.submit(one.bind(-1), key=key) for key in ("first", "last"))
    for _ in range(200):
        try:
            signal.setitimer(signal.ITIMER_REAL, chance.uniform(0.0001, 0.001))
            try:
                first.status()
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        except BaseException as error:
            if not is_interrupt(error):
                raise
        assert last.status() == "pending"
        assert [each.id for each in engine.executions(key="last")] == [last.id]
other = threading.Thread(target=lambda: accepted.append(engine.submit(one.bind(-1)).id))
other.start()
other.join(60)
print(*accepted, "ended" if not other.is_alive() else "stuck", flush=True)
"""


@pytest.mark.parametrize("raised", ["KeyboardInterrupt", "Exception", "TimeoutError"])
@pytest.mark.parametrize("database", DATABASES)
def test_g1_what_submit_returned_for_is_there_whatever_interrupts_its_thread(
    request: pytest.FixtureRequest, database: str, raised: str
) -> None:
    url = DATABASES[database](request)
    longest = "0.001" if database == "sqlite" else "0.006"  # a submission and a little more
    command = [sys.executable, "-c", INTERRUPTED, url, "1", longest, raised]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    *accepted, end = done.stdout.split()
    assert end == "ended" and accepted, "another thread waits for ever"
    with Engine(url) as engine:
        lost = [id for id in accepted if engine.get(id) is None]
        assert lost == []
        assert engine.audit() == []
