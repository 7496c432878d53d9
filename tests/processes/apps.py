"""The workflows that the process tests run, and the places where they die."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import hydra

from tests.processes import kills

kills.install_in_worker()


def note(log: str, word: str) -> None:
    """One line, whole, whatever is killed meanwhile: what happened, the key, the worker, its supervisor."""
    line = f"{word}\t{hydra.idempotency_key()}\t{os.getpid()}\t{kills.supervisor_pid()}\n"
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, line.encode())
    os.close(descriptor)


@hydra.step
def effect(log: str, name: str) -> str:
    kills.reach("before effect")
    note(log, name)
    kills.reach("after effect")
    return name


@hydra.workflow
def life(log: str) -> list[str]:
    done = [effect(log, "first"), effect(log, "second")]
    hydra.sleep(timedelta(seconds=1.1))  # more than a second: the execution leaves its worker
    done.append(effect(log, "third"))
    return done


@hydra.step
def hold(log: str, gate: str) -> None:
    note(log, "hold")
    while not Path(gate).exists():
        time.sleep(0.005)


@hydra.workflow
def held(log: str, gate: str) -> str:
    hold(log, gate)
    return "released"


@hydra.step(inline=True)
def clog(log: str, gate: str) -> None:
    """What must not be done inline: it keeps the hub, and with it every other execution of its worker."""
    note(log, "clog")
    while not Path(gate).exists():
        time.sleep(0.005)


@hydra.workflow
def clogged(log: str, gate: str) -> str:
    clog(log, gate)
    return "released"


@hydra.workflow
def climb(log: str, gate: str) -> str:
    """Something is recorded behind the gate, then it stands before the next."""
    hold(log, gate)
    effect(log, "behind the gate")
    hold(log, f"{gate}-above")
    return "above"


@hydra.step
def add(left: int, right: int) -> int:
    return left + right


@hydra.workflow
def count(steps: int) -> int:
    total = 0
    for number in range(steps):
        total = add(total, number)
    return total


@hydra.step
def die(log: str) -> None:
    note(log, "die")
    os.kill(os.getpid(), signal.SIGKILL)


@hydra.workflow
def poison(log: str) -> None:
    die(log)


@hydra.step(timeout=0.5, max_attempts=2, backoff=hydra.Backoff(initial=0.01))
def match_for_ages(log: str) -> str:
    """The first try never gives up the GIL: a regular expression that backtracks for ages."""
    note(log, "match")
    if len(Path(log).read_text().splitlines()) == 1:
        re.match(r"(a+)+$", "a" * 64 + "b")
    return "matched"


@hydra.step(timeout=0.3, max_attempts=3, backoff=hydra.Backoff(initial=0.01))
def sleep_then_match(log: str) -> str:
    """The first try ends by its time-out, the second can only be killed."""
    note(log, "try")
    tries = len(Path(log).read_text().splitlines())
    while tries == 1:
        time.sleep(0.01)
    if tries == 2:
        re.match(r"(a+)+$", "a" * 64 + "b")
    return "matched"


@hydra.workflow
def worse(log: str) -> str:
    return sleep_then_match(log)


@hydra.workflow
def catastrophe(log: str) -> str:
    return match_for_ages(log)


@hydra.step
def match_until_killed(log: str) -> None:
    note(log, "match")
    re.match(r"(a+)+$", "a" * 64 + "b")


@hydra.workflow
def deadlock(log: str) -> None:
    match_until_killed(log)


@hydra.step
def start_child(log: str, gate: str) -> None:
    note(log, "child")
    child = subprocess.Popen(["sleep", "600"])
    Path(f"{log}-child").write_text(str(child.pid))
    while not Path(gate).exists():
        time.sleep(0.005)
    child.kill()
    child.wait()


@hydra.workflow
def parent(log: str, gate: str) -> None:
    start_child(log, gate)


def child_pid(log: str) -> int:
    path = Path(f"{log}-child")
    return int(path.read_text() or 0) if path.exists() else 0


@hydra.step
def give_back(log: str, name: str) -> None:
    kills.reach("before effect of give back")
    note(log, f"give back {name}")
    kills.reach("after effect of give back")


@hydra.step(cancel_grace=0.3)
def deaf(log: str) -> None:
    """Hears neither a cancel nor an exception; says how far it is."""
    hydra.heartbeat({"done": 7})
    note(log, "deaf")
    while True:
        try:
            time.sleep(3600)
        except hydra.StepTimeout:
            continue


@hydra.workflow
def never_ends(log: str) -> None:
    hydra.on_failure(give_back.bind(log, "money"))
    deaf(log)


@hydra.workflow(timeout=6.0)
def rests_too_long(log: str) -> None:
    hydra.on_failure(give_back.bind(log, "first"))
    effect(log, "first")
    hydra.on_failure(give_back.bind(log, "second"))
    effect(log, "second")
    hydra.sleep(timedelta(days=1))


def find_payment(key: str) -> hydra.Found[str] | hydra.Answer:
    """The ledger is the file of notes; what is in it was paid."""
    log = os.environ["HYDRA_TEST_LEDGER"]
    lines = Path(log).read_text().splitlines() if os.path.exists(log) else []
    is_paid = any(line.split("\t")[:2] == ["paid", key] for line in lines)
    return hydra.Found("paid") if is_paid else hydra.NOT_FOUND


@hydra.step(lookup=find_payment)
def pay(log: str) -> str:
    kills.reach("before payment")
    note(log, "paid")
    kills.reach("after payment")
    return "paid"


@hydra.workflow
def pays_once(log: str) -> str:
    return pay(log)


@hydra.workflow
def pooled(log: str) -> list[str]:
    """What must not be: steps that nobody records."""
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(effect, [log, log], ["a", "b"]))


@hydra.step
def refusals(log: str) -> list[str]:
    """What a thread that was begun before the first execution hears."""
    while not from_start_thread:
        time.sleep(0.005)
    return from_start_thread


from_start_thread: list[str] = []


@hydra.on_worker_start
def start_thread() -> None:
    def call() -> None:
        while not from_start_thread:
            try:
                add(1, 1)  # plain, until the worker takes work
            except hydra.HydraError as error:
                from_start_thread.append(str(error))
            time.sleep(0.005)

    threading.Thread(target=call, daemon=True).start()


@hydra.workflow
def heard(log: str) -> list[str]:
    return refusals(log)


@hydra.step
def march(log: str, number: int) -> None:
    note(log, f"march {number}")
    time.sleep(0.1)


@hydra.workflow
def marches(log: str, shape: str) -> None:
    if shape == "gathered":
        hydra.gather(*(march.bind(log, number) for number in range(100)), concurrency=1)
    else:
        for number in range(100):
            march(log, number)


@hydra.workflow(body_timeout=0.5)
def blocks(log: str, how: str) -> None:
    effect(log, "before")
    if how == "sleeps":
        time.sleep(600)
    while how == "loops":
        pass
