"""What a node counts: each durable thing once, whatever the database answers, and never more labels than allowed."""

from __future__ import annotations

import msgspec
import pytest
from hydra.circuit_breaker import CircuitState
from hydra.dispatch import events
from hydra.dispatch.circuits import CircuitView
from hydra.dispatch.dispatcher import Standing
from hydra.dispatch.health import LOOP_STILL_NS, why_not_ready, why_stuck
from hydra.dispatch.worker_ends import WorkerEnd, WorkerEndKind
from hydra.execution import DIVERGED, CommitAnswer, End, Ending
from hydra.frames import Committed, Ended, Recorded
from hydra.node.metrics import NodeMetrics
from hydra.observability.metrics import MAX_LABEL_SETS, MAX_TAG_VALUES, OTHER, Counter, Gauge, Histogram, Metrics
from prometheus_client.parser import text_string_to_metric_families

from tests.dispatch.driver import KILLED, LEFT, SECOND, TTL, Driver, claimed, ended, record, recorded


class MeasuredDriver(Driver):
    def __init__(self, *tags: str, concurrency: int = 4) -> None:
        super().__init__(concurrency=concurrency)
        self.metrics = Metrics("default", tags)
        self.measuring = NodeMetrics(self.metrics, lambda: self.now // 1000, self.dispatcher.running)

    def tell(self, event: events.Event) -> list[events.Action]:
        self.measuring.happened(event)
        actions = super().tell(event)
        for action in actions:
            self.measuring.asked(action)
        return actions

    def steps(self) -> dict[str, float]:
        """Recorded tries by status."""
        found: dict[str, float] = {}
        for (_, _, status), count in self.metrics.steps.values.items():
            found[status] = found.get(status, 0) + count
        return found

    def ends(self) -> dict[str, float]:
        return {status: count for (_, status), count in self.metrics.executions_finished.values.items()}


def working(*ids: str) -> MeasuredDriver:
    node = MeasuredDriver()
    node.join().run(*ids)
    if node.claims():
        node.run()
    return node


def test_a_step_counts_when_it_is_durable_and_not_before() -> None:
    node = working("a")
    node.receive(0, recorded(node.tokens["a"], 1))
    assert node.steps() == {}
    node.written()
    assert node.steps() == {"completed": 1}


def test_a_spawn_counts_as_what_this_node_made_and_a_placed_step_does_not() -> None:
    node = working("a")
    names = ("hydra.spawn:ship", "hydra.spawn_again:ship", "hydra.step:charge")
    spawns = [msgspec.structs.replace(record(seq, "spawn"), name=name) for seq, name in enumerate(names, 1)]
    node.receive(0, Recorded(node.tokens["a"], spawns))
    node.written()
    assert node.metrics.executions_submitted.values == {("ship",): 1}


def test_a_step_that_runs_as_an_execution_of_its_own_counts_with_its_body_and_its_tries_there() -> None:
    node = MeasuredDriver()
    node.join().run(msgspec.structs.replace(claimed("a"), workflow="hydra.step:quote"))
    if node.claims():
        node.run()
    tried = msgspec.structs.replace(record(1), kind="try")
    node.receive(0, Recorded(node.tokens["a"], [tried, record(2)]))
    node.written()
    assert node.steps() == {"retried": 1}


def test_a_commit_that_failed_counts_once_when_it_is_repeated() -> None:
    node = working("a")
    node.receive(0, ended(node.tokens["a"], Ending.COMPLETED, record(1)))
    node.fail()
    assert node.ends() == {}
    node.tick(SECOND)
    node.written()
    assert node.steps() == {"completed": 1}
    assert node.ends() == {"completed": 1}


def test_r16_after_a_lost_reply_what_was_written_counts_once() -> None:
    """`a` was written whole, half of what is under way of `b`, nothing of `c`."""
    node = working("a", "b", "c")
    node.receive(
        0,
        ended(node.tokens["a"], Ending.COMPLETED, record(1)),
        recorded(node.tokens["b"], 1, 2),
        recorded(node.tokens["c"], 1),
    )
    node.forget()
    node.resynced(("b", 1, 1), ("c", 1, 0))
    assert node.steps() == {"completed": 2}
    assert node.ends() == {"completed": 1}
    node.tick(SECOND)
    node.written()
    assert node.steps() == {"completed": 4}
    assert node.metrics.leases_lost.values == {(): 0}


def test_what_a_resync_or_a_commit_finds_gone_is_lost_once() -> None:
    node = working("a", "b", "c")
    node.receive(0, recorded(node.tokens["a"], 1))
    node.forget()
    node.resynced(("b", 1, 0), ("c", 1, 0))
    assert node.metrics.leases_lost.values == {(): 1}
    node.run()  # the claim that asks for a's place brings nothing
    node.receive(0, recorded(node.tokens["b"], 1))
    node.written(CommitAnswer.REFUSED)
    assert node.metrics.leases_lost.values == {(): 2}
    assert node.steps() == {}
    node.tell(events.Refused())
    assert node.metrics.leases_lost.values == {(): 3}
    assert node.metrics.heartbeats.values[("refused",)] == 1


def test_what_is_parked_for_a_refused_value_is_not_lost() -> None:
    node = working("a")
    node.receive(0, recorded(node.tokens["a"], 1))
    assert node.commit is not None
    node.tell(events.CommitDone(node.commit.batch, [CommitAnswer.REFUSED], given_up=frozenset({"a"})))
    assert node.metrics.leases_lost.values == {(): 0}
    assert node.dispatcher.owned_count == 0


def test_an_execution_whose_claim_got_no_reply_counts_when_it_is_read_back() -> None:
    node = working("a")
    node.receive(0, recorded(node.tokens["a"], 1))
    node.forget()
    node.resynced(("a", 1, 1), ("b", 1, 0))
    node.tell(events.Recovered([claimed("b")]))
    assert node.metrics.leases_acquired.values == {(): 2}


def test_r21_a_transaction_told_by_socket_and_database_counts_once() -> None:
    node = working("a")
    frame = Committed(node.tokens["a"], record(1))
    node.receive(0, frame)
    node.receive(0, frame)
    assert node.steps() == {"completed": 1}


def test_a_workers_death_counts_its_tries_and_what_is_given_to_the_next() -> None:
    node = working("a")
    node.receive(0, recorded(node.tokens["a"], 1))
    node.written()
    node.die(0, "a", reason=KILLED)
    node.written()
    assert node.steps() == {"completed": 1, "crashed": 1}
    assert node.metrics.steps_replayed.values == {("w",): 1}
    assert node.metrics.worker_restarts.values[("signal",)] == 1
    node.start(0)
    node.receive(0, ended(node.tokens["a"], Ending.COMPLETED))
    node.written()
    assert node.ends() == {"completed": 1}


def test_workers_that_leave_with_their_node_are_no_restarts() -> None:
    node = working()
    node.tell(events.DrainAsked())
    node.die(0, reason=LEFT)
    assert sum(node.metrics.worker_restarts.values.values()) == 0


def test_g8_a_claim_after_more_than_five_seconds_misses() -> None:
    node = MeasuredDriver()
    met = msgspec.structs.replace(claimed("a"), run_at=1_000_000, claimed_at=6_000_000)
    missed = msgspec.structs.replace(claimed("b"), run_at=1_000_000, claimed_at=6_000_001)
    node.join().run(met, missed)
    assert node.metrics.pickup_sla.values == {("w", "met"): 1, ("w", "missed"): 1}


def test_a_tag_shows_few_values_and_then_others() -> None:
    node = MeasuredDriver("run")
    tagged = [
        msgspec.structs.replace(claimed(f"e{number}"), tags={"run": str(number), "customer": "17"})
        for number in range(MAX_TAG_VALUES + 5)
    ]
    node.join().run(*tagged)
    counts = {run: count for (_, _, run), count in node.metrics.pickup_sla.values.items()}
    assert len(counts) == MAX_TAG_VALUES + 1
    assert counts[OTHER] == 5


@pytest.mark.parametrize("kind", [Counter, Histogram])
def test_no_series_grows_without_bound(kind: type[Counter] | type[Histogram]) -> None:
    series = Counter("c", "", "step") if kind is Counter else Histogram("h", "", (1.0,), "step")
    for number in range(MAX_LABEL_SETS + 10):
        for _ in range(2):
            if isinstance(series, Counter):
                series.add((str(number),))
            else:
                series.observe(0.5, (str(number),))
    assert len(series.values) == MAX_LABEL_SETS + 1
    other = series.values[(OTHER,)]
    assert (sum(other.counts) if not isinstance(other, (int, float)) else other) == 20


def test_a_histogram_says_what_was_observed() -> None:
    metrics = Metrics("space")
    for seconds in (0.0005, 0.0006, 7.0, 1000.0):
        metrics.pickup.observe(seconds, ('the "first"\n',))
    family = next(
        family
        for family in text_string_to_metric_families(metrics.exposition().decode())
        if family.name == "hydra_pickup_seconds"
    )
    buckets = {
        sample.labels["le"]: sample.value
        for sample in family.samples
        if sample.name.endswith("_bucket")
    }  # fmt: skip
    assert (buckets["0.0005"], buckets["0.001"], buckets["5.0"], buckets["10.0"], buckets["+Inf"]) == (1, 2, 2, 3, 4)
    assert family.samples[0].labels["workflow"] == 'the "first"\n'
    assert family.samples[0].labels["namespace"] == "space"


def test_a_gauge_is_absent_until_it_is_known_and_when_it_is_not_known_any_more() -> None:
    gauge = Gauge("g", "")
    assert gauge.family({}).samples == []
    gauge.set(3)
    assert [sample.value for sample in gauge.family({}).samples] == [3]
    gauge.clear()
    assert gauge.family({}).samples == []


@pytest.mark.parametrize("kind", WorkerEndKind)
def test_a_restart_counts_by_the_kind_of_the_workers_end_whatever_its_sentence(kind: WorkerEndKind) -> None:
    node = working()
    node.die(0, reason=WorkerEnd(kind, "the moon fell"))
    counted = {labels: count for labels, count in node.metrics.worker_restarts.values.items() if count}
    assert counted == {(kind.value,): 1}


READY = Standing(True, False, 10 * TTL, 3, [("starting", False), ("up", True)])


@pytest.mark.parametrize(
    ("standing", "answered_at_ns", "part"),
    [
        (None, 0, "imported"),
        (msgspec.structs.replace(READY, is_draining=True), TTL, "draining"),
        (msgspec.structs.replace(READY, is_registered=False), TTL, "not registered"),
        (msgspec.structs.replace(READY, lease_deadline_ns=TTL), TTL, "lease has run out"),
        (READY, TTL // 2 - 1, "has not answered for 5000 ms"),
        (
            msgspec.structs.replace(READY, circuits=[CircuitView("claim", "", CircuitState.HALF_OPEN, "2 failed", {})]),
            TTL,
            "the claim circuit before the database is half-open: 2 failed",
        ),
        (msgspec.structs.replace(READY, workers=[("starting", False)]), TTL, "no worker"),
        (msgspec.structs.replace(READY, workers=[]), TTL, "no worker"),
    ],
)
def test_a_node_is_ready_only_when_it_would_start_what_is_due(
    standing: Standing | None, answered_at_ns: int, part: str
) -> None:
    sentence = why_not_ready(standing, answered_at_ns, TTL, TTL)
    assert sentence is not None
    assert part in sentence
    assert why_not_ready(READY, TTL // 2, TTL, TTL) is None


def test_a_loop_that_stands_still_is_stuck() -> None:
    assert why_stuck(None, TTL) is None
    assert why_stuck(TTL, TTL + LOOP_STILL_NS) is None
    assert why_stuck(TTL, TTL + LOOP_STILL_NS + SECOND) == "the node's loop has not turned for 11 s"


@pytest.mark.parametrize("is_answered", [True, False])
def test_what_is_handed_to_a_node_with_its_code_is_no_divergence(is_answered: bool) -> None:
    node = working("a", "b")
    parked = End(Ending.PARKED, b"", cause=DIVERGED)
    node.receive(0, *(Ended(node.tokens[id], [], parked) for id in ("a", "b")))
    assert node.commit is not None
    assert {commit.id for commit in node.commit.commits} == {"a", "b"}
    if is_answered:
        node.tell(events.CommitDone(node.commit.batch, [True, True], frozenset({"a"})))
    else:
        node.tell(events.OutcomeUnknown("connection reset", frozenset({"a"})))
        node.resynced()
    assert sum(node.metrics.nondeterminism.values.values()) == 1
