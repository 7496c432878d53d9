"""What limits cost, and whether they hold.

    python benches/limits.py [--url sqlite|postgres|mysql|URL] [--blocked 1000000] [--keys 100000] [--rounds 30]
        [--seconds 60] [--backlog 1000000] [--nodes 3] [--json FILE]

Claims of executions without limits, beside so many that one key holds back, and beside so many keys. Then a rate of
100 a second over three nodes, one of which is killed half-way: the most that began in any second by the provider's own
log, and how much of the rate was used. Then how soon ten executions of one tenant begin on a node that is idle, and on
one that has so many of another tenant before it, with turns between them (steps of 20 ms on 32 places). Last how soon
the first of them begins on a node that starts when so many of another tenant, and then these, were submitted to none.
"""

from __future__ import annotations

import argparse
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))

import filling
import hydra
from claim import claims, show
from hydra import _core
from hydra.codec import encode_call
from hydra.execution import Submission
from hydra.limits import LimitSpec
from hydra.node.supervisor import SupervisorSettings
from hydra.stores.store import Store
from hydra.stores.workflow_info import WorkflowInfo
from machine import Report
from server import add_options, database, durability, opened, register

from tests.processes import bounded_app
from tests.processes.scene import Node, until

RATE, BURST = 100, 20
LIMIT = LimitSpec("concurrency", "held", 1)


def block(store: Store, url: str, first: int, count: int, keys: int) -> None:
    """So many executions of another workflow, spread over the keys, written where they are stored; their calls are
    answered."""
    payload, digest = encode_call(("x" * 200,), {})
    one = Submission(_core.uuid7(), "held", payload, digest, limit_keys=(f"concurrency:held:{first}",))
    store.submit([one], store.now())
    filling.copy_waiting(store, url, one.id, count - 1, first=first, keys=keys)
    while (due_at := store.next_due_at()) is not None and due_at <= store.now():
        store.promote(store.now(), 1000)


def measure_claims(url: str, options: argparse.Namespace, report: Report) -> None:
    with opened(url) as store:
        node = register(store)
        store.register_workflows(node, [WorkflowInfo("held", b"{}", None, "code", limits=[LIMIT])], store.now())
        base = claims(store, node, options.batch, options.rounds)
        report.row("claim, empty database", base[0], "ms median", cpu_ms=round(base[1], 3))
        block(store, url, 1, options.blocked, 1)
        beside = claims(store, node, options.batch, options.rounds)
        show(report, f"claim, {options.blocked:,} blocked behind one key", beside, base)
        block(store, url, 1 + options.blocked, 2 * options.keys, options.keys)
        show(report, f"claim, {options.keys:,} keys beside", claims(store, node, options.batch, options.rounds), base)


def measure_rate(url: str, seconds: float, report: Report) -> None:
    with tempfile.TemporaryDirectory() as folder, hydra.Engine(url) as engine:
        file = Path(folder) / "calls"
        environment = {bounded_app.FILE: str(file), "PYTHONPATH": str(Path(__file__).parents[1])}
        settings = SupervisorSettings(
            module="tests.processes.bounded_app", url=url, workers=1, concurrency=16, lease_ttl_seconds=2.0
        )
        root = Path(__file__).parents[1]
        nodes = [Node(settings, Path(folder) / f"{number}.log", environment, root) for number in range(3)]
        try:
            engine.submit_many([bounded_app.rated.bind("psp", n) for n in range(round(RATE * (seconds + 30)))])
            while not file.exists():
                time.sleep(0.05)
            began = time.monotonic()
            time.sleep(seconds / 2)
            nodes[0].kill(signal.SIGKILL)
            time.sleep(max(0.0, seconds / 2 - (time.monotonic() - began - seconds / 2)))
        finally:
            for node in nodes:
                node.kill(signal.SIGKILL)
                node.wait()
        instants = sorted(float(line.split()[2]) for line in file.read_text().splitlines())
    first = instants[0]
    most = last = 0
    for place, at in enumerate(instants):
        while at - instants[last] >= 1.0:
            last += 1
        most = max(most, place - last + 1)
    within = [at for at in instants if at - first <= seconds]
    report.row("began in any second, at most", most, "executions", rate=RATE, burst=BURST)
    report.row("of the rate was used", 100 * len(within) / (RATE * seconds), "%", began=len(within))


def pickups(engine: hydra.Engine, file: Path, rounds: int) -> list[float]:
    """Milliseconds from the submission of ten of a tenant to the first instruction of each one's step."""
    submitted: dict[str, float] = {}
    for number in range(rounds):
        tenant = f"few{number}-{time.monotonic_ns()}"
        submitted[tenant] = time.time()
        handles = engine.submit_many([bounded_app.by_turns.bind(tenant, place) for place in range(10)])
        for handle in handles:
            handle.result(timeout=600)
    begun = [line.split() for line in file.read_text().splitlines()]
    return sorted(1000 * (float(at) - submitted[tenant]) for tenant, _, at in begun if tenant in submitted)


def measure_turns(url: str, backlog: int, rounds: int, nodes: int, report: Report) -> None:
    with tempfile.TemporaryDirectory() as folder, hydra.Engine(url) as engine:
        file = Path(folder) / "turns"
        environment = {bounded_app.FILE: str(file), "PYTHONPATH": str(Path(__file__).parents[1])}
        settings = SupervisorSettings(module="tests.processes.bounded_app", url=url, workers=2, concurrency=16)
        root = Path(__file__).parents[1]
        started = [Node(settings, Path(folder) / f"{number}.log", environment, root) for number in range(nodes)]
        try:
            first = engine.submit(bounded_app.by_turns.bind("many", 0))
            first.result(timeout=60)
            idle = pickups(engine, file, rounds)
            with opened(url) as store:
                filling.copy_waiting(store, url, first.id, backlog)
            busy = pickups(engine, file, rounds)
            pending = engine.stats().counts["by_turns"]["pending"]
        finally:
            for node in started:
                node.kill(signal.SIGKILL)
                node.wait()
    report.row("pickup of ten of a tenant, idle", statistics.median(idle), "ms median", p99=round(percentile(idle), 1))
    what = f"pickup of ten of a tenant, beside {pending:,} of another, nodes: {nodes}"
    report.row(what, statistics.median(busy), "ms median", p99=round(percentile(busy), 1))


def measure_start(url: str, backlog: int, report: Report) -> None:
    """The node starts once nobody has looked at any of it; one that starts with no backlog is beside it."""
    with tempfile.TemporaryDirectory() as folder, hydra.Engine(url) as engine:
        for count in (0, backlog):
            file = Path(folder) / f"start-{count}"
            environment = {bounded_app.FILE: str(file), "PYTHONPATH": str(Path(__file__).parents[1])}
            settings = SupervisorSettings(module="tests.processes.bounded_app", url=url, workers=2, concurrency=16)
            if count:
                first = engine.submit(bounded_app.by_turns.bind("many", 0))
                with opened(url) as store:
                    filling.copy_waiting(store, url, first.id, count - 1)
            few = engine.submit_many([bounded_app.by_turns.bind("late", number) for number in range(10)])
            node = Node(settings, Path(folder) / f"{count}.log", environment, Path(__file__).parents[1])
            try:
                until(node.text)  # its first line: it is registered
                began = time.time()
                for handle in few:
                    handle.result(timeout=600)
            finally:
                node.kill(signal.SIGKILL)
                node.wait()
            lines = [line.split() for line in file.read_text().splitlines()]
            begun = sorted(1000 * (float(at) - began) for tenant, _, at in lines if tenant == "late")
            what = f"from a node's start to the first step of ten, after {count:,} of another tenant"
            report.row(what, begun[0], "ms", last=round(begun[-1]))


def percentile(values: list[float]) -> float:
    return values[min(len(values) - 1, len(values) * 99 // 100)]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--blocked", type=int, default=20_000, help="0: no claims are measured")
    options.add_argument("--keys", type=int, default=2_000)
    options.add_argument("--rounds", type=int, default=30)
    options.add_argument("--batch", type=int, default=64)
    options.add_argument("--seconds", type=float, default=10.0, help="of the rate; 0: not")
    options.add_argument("--backlog", type=int, default=2_000, help="of the other tenant; 0: not")
    options.add_argument("--nodes", type=int, default=1, help="that take turns")
    add_options(options)
    chosen = options.parse_args()
    with database(chosen.url) as url:
        report = Report("what do limits cost, and do they hold?", durability(chosen.url))
        if chosen.blocked:
            measure_claims(url, chosen, report)
        if chosen.seconds:
            measure_rate(url, chosen.seconds, report)
        if chosen.backlog:
            with database(chosen.url) as fresh:
                measure_turns(fresh, chosen.backlog, chosen.rounds, chosen.nodes, report)
            with database(chosen.url) as fresh:
                measure_start(fresh, chosen.backlog, report)
        report.save(chosen.json)


if __name__ == "__main__":
    main()
