"""What each part of the path costs by itself: journal, executor, dispatcher, the store's claim and commit.

Run with `pytest benches/test_parts.py`; divide by the count in a group's name. A debug build is refused.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hydra import _core
from hydra.clock import LeasePage, boottime_ns
from hydra.codec import encode, encode_call
from hydra.definitions import Step, Workflow
from hydra.dispatch.dispatcher import Dispatcher
from hydra.dispatch.dispatcher import NodeSettings as DispatcherSettings
from hydra.dispatch.events import (
    Action,
    Beaten,
    ClaimDone,
    CommitDone,
    Event,
    Received,
    Registered,
    SendBeat,
    SendClaim,
    SendCommit,
    Tick,
    ToSlot,
    WorkerStarted,
)
from hydra.execution import Claimed, End, ExecutionCommit, Record, Submission
from hydra.frames import (
    Drain,
    Durable,
    Ended,
    FromWorker,
    Recorded,
    Run,
    ToWorker,
    decode_from_worker,
    decode_to_worker,
    encode_from_worker,
    encode_to_worker,
)
from hydra.journal import Journal
from hydra.node.metrics import NodeMetrics
from hydra.observability.metrics import Metrics
from hydra.stores.node_states import Beat
from hydra.stores.store import Store
from hydra.worker.hub import Hub
from hydra.worker.page import Page
from hydra.workflow import Registry
from server import opened, register

if _core.build_profile() != "release":
    pytest.exit("benchmarks need a release build: maturin develop --release", returncode=2)

Benchmark = Callable[..., Any]

FAR_NS = 1 << 62
COMPANY = 64  # executions in flight
PAYLOAD, DIGEST = encode_call(("x" * 200,), {})
RESULT = encode(17)


def claimed(number: int, workflow: str = "ten_steps") -> Claimed:
    return Claimed(str(UUID(int=number)), 1, workflow, None, PAYLOAD, 1, 0, 0, 0, 0, None, 0, False, 0, 0, {}, [])


def record(seq: int) -> Record:
    return Record(seq, "step", "", "add", seq - 1, 1, DIGEST, RESULT, 1, 2)


# journal


@pytest.mark.benchmark(group="journal, 1,000 items one at a time")
def test_the_journal_hands_items_to_their_commit(benchmark: Benchmark) -> None:
    journal: Journal[int, int] = Journal(lambda items: items, lambda item: 200)

    def write() -> None:
        for number in range(1000):
            journal.write(number)

    benchmark(write)
    journal.close()


# executor


def ten_steps() -> tuple[Registry, Workflow[..., Any]]:
    registry = Registry()

    def add(total: int, number: int) -> int:
        return total + number

    step = Step(add, inline=True)

    def body(payload: str) -> int:
        total = 0
        for number in range(10):
            total = step(total, number)
        return total

    workflow = Workflow(body, name="ten_steps")
    registry.add_step(step)
    registry.add_workflow(workflow)
    return registry, workflow


class InstantSupervisor:
    """Answers each batch of a hub at once: everything is durable, and who ended is replaced until all have run."""

    def __init__(self, count: int) -> None:
        lease = LeasePage.create()
        lease.set(FAR_NS, time.time_ns() // 1000 - boottime_ns() // 1000)
        self._count = count
        self._started = min(COMPANY, count)
        self._ended = 0
        self.hub = Hub(ten_steps()[0], self._answer, lease, Page.create(), COMPANY)
        self.hub.deliver([Run(token, claimed(token)) for token in range(self._started)])

    def _answer(self, batch: list[FromWorker]) -> None:
        durable, frames = Durable([], []), list[ToWorker]()
        for frame in decode_from_worker(encode_from_worker(batch)):
            if isinstance(frame, Recorded):
                durable.tokens.append(frame.token)
                durable.seqs.append(frame.records[-1].seq)
            elif isinstance(frame, Ended):
                assert frame.end.kind == "completed"
                self._ended += 1
                if self._started < self._count:
                    frames.append(Run(self._started, claimed(self._started)))
                    self._started += 1
        if self._ended == self._count:
            frames.append(Drain())
        self.hub.deliver(decode_to_worker(encode_to_worker([durable, *frames])))


@pytest.mark.benchmark(group="executor, 2,000 steps with frames both ways")
def test_the_hub_runs_ten_step_workflows(benchmark: Benchmark) -> None:
    benchmark.pedantic(lambda supervisor: supervisor.hub.run(), setup=lambda: ((InstantSupervisor(200),), {}), rounds=8)  # type: ignore[attr-defined]


# dispatcher


def run_dispatcher(count: int, step_count: int, is_observed: bool = False) -> None:
    """One node whose worker and database answer at once."""
    now_ns = 1
    dispatcher = Dispatcher(DispatcherSettings(slots=1, concurrency=COMPANY), now_ns, random.Random(1))
    observer = NodeMetrics(Metrics("bench"), lambda: now_ns // 1000, dispatcher.running) if is_observed else None
    actions: list[Action] = []
    seqs: dict[int, int] = {}
    given = ended = 0
    events: list[Event] = [Tick(), Registered(now_ns), WorkerStarted(0)]
    while ended < count:
        now_ns += 2_000_000
        for event in events or [Tick()]:
            if observer is not None:
                observer.happened(event)
            actions += dispatcher.handle(event, now_ns)
        events, frames = [], []
        for action in actions:
            if observer is not None:
                observer.asked(action)
            match action:
                case SendClaim(slots):
                    part = min(slots, count - given)
                    events.append(ClaimDone([claimed(given + place) for place in range(part)]))
                    given += part
                case SendCommit(batch, commits):
                    events.append(CommitDone(batch, [True] * len(commits)))
                    ended += sum(commit.end is not None for commit in commits)
                case SendBeat():
                    events.append(Beaten(now_ns, Beat(dispatcher.owned_count, [])))
                case ToSlot(_, sent):
                    frames += [frame_of(token, seqs, step_count) for token in tokens_of(sent)]
        actions = []
        if frames:
            events.append(Received(0, frames))


def tokens_of(frames: list[ToWorker]) -> Iterator[int]:
    for frame in frames:
        if isinstance(frame, Run):
            yield frame.token
        elif isinstance(frame, Durable):
            yield from frame.tokens


def frame_of(token: int, seqs: dict[int, int], step_count: int) -> FromWorker:
    seq = seqs[token] = seqs.get(token, 0) + 1
    if seq < step_count:
        return Recorded(token, [record(seq)])
    return Ended(token, [record(seq)], End("completed", RESULT))


@pytest.mark.benchmark(group="dispatcher, 1,000 executions")
@pytest.mark.parametrize("is_observed", [False, True], ids=["alone", "with metrics"])
@pytest.mark.parametrize("step_count", [1, 10])
def test_the_dispatcher_takes_executions_through(benchmark: Benchmark, step_count: int, is_observed: bool) -> None:
    """The difference is what `hydra start --http` costs the node's loop."""
    benchmark.pedantic(run_dispatcher, args=(1000, step_count, is_observed), rounds=8, warmup_rounds=1)  # type: ignore[attr-defined]


@pytest.mark.benchmark(group="metrics, one scrape")
def test_a_scrape_of_many_series(benchmark: Benchmark) -> None:
    """200 workflows of 5 steps; while it runs the node's loop has the interpreter for a part of the time only."""
    metrics = Metrics("bench")
    for workflow in range(200):
        name = f"workflow{workflow}"
        metrics.executions_finished.add((name, "completed"))
        metrics.execution_duration.observe(1.0, (name,))
        metrics.pickup.observe(0.001, (name,))
        for step in range(5):
            metrics.steps.add((name, f"step{step}", "completed"))
            metrics.step_duration.observe(0.1, (name, f"step{step}"))
    benchmark(metrics.exposition)


# store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with opened(f"sqlite:///{tmp_path}/bench.db") as store:
        yield store


def submissions(count: int) -> list[Submission]:
    return [Submission(id, "one_step", PAYLOAD, DIGEST) for id in _core.uuid7_many(count)]


@pytest.mark.benchmark(group="SQLite, synchronous=full, 500 executions in one transaction")
def test_the_store_submits(benchmark: Benchmark, store: Store) -> None:
    benchmark.pedantic(  # type: ignore[attr-defined]
        lambda batch: store.submit(batch, store.now()), setup=lambda: ((submissions(500),), {}), rounds=12
    )


@pytest.mark.benchmark(group="SQLite, synchronous=full, 500 executions in one transaction")
def test_the_store_claims(benchmark: Benchmark, store: Store) -> None:
    node = register(store)
    store.submit(submissions(6_500), store.now())
    benchmark.pedantic(  # type: ignore[attr-defined]
        lambda: store.claim(node, ["one_step"], 500, store.now()), rounds=12, warmup_rounds=1
    )


@pytest.mark.benchmark(group="SQLite, synchronous=full, 500 executions in one transaction")
@pytest.mark.parametrize("end", [None, End("completed", RESULT)], ids=["one record", "one record and the end"])
def test_the_store_commits(benchmark: Benchmark, store: Store, end: End | None) -> None:
    node = register(store)

    def owned() -> tuple[tuple[list[ExecutionCommit]], dict[str, Any]]:
        store.submit(submissions(500), store.now())
        taken = store.claim(node, ["one_step"], 500, store.now())
        return ([ExecutionCommit(one.id, one.epoch, [record(1)], end) for one in taken],), {}

    benchmark.pedantic(lambda commits: store.commit(node, commits, store.now()), setup=owned, rounds=12)  # type: ignore[attr-defined]
