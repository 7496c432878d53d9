"""The series a node shows to Prometheus, in a registry of their own. Knows no event and reads nothing by itself.

Numbers are kept in plain dictionaries, because a node counts on its hot path and is read a few times a minute: a series
is written by one thread, and read as a copy. Past MAX_LABEL_SETS the values of new labels read `other`.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from threading import Lock

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from hydra.errors import ConfigError

MAX_LABEL_SETS = 2000  # of one series
MAX_TAG_VALUES = 100  # of one tag; what is told apart further is a label's value `other`
OTHER = "other"
PREFIX = "hydra_"

Labels = tuple[str, ...]
_TAG = re.compile(r"[A-Za-z0-9_]+", re.ASCII)

QUICK_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
STEP_SECONDS = (*QUICK_SECONDS, 60.0, 300.0, 1800.0, 3600.0)
EXECUTION_SECONDS = (0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0, 86_400.0, 2_592_000.0)
BYTES = (64.0, 256.0, 1024.0, 4096.0, 16_384.0, 65_536.0, 262_144.0, 1_048_576.0, 4_194_304.0, 16_777_216.0)
COUNTS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)


class Buckets:
    """One histogram with one set of labels."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value


class Series(ABC):
    """A name, what it says, and the names of its labels."""

    def __init__(self, name: str, help: str, *labels: str) -> None:
        self.name = PREFIX + name
        self.help = help
        self.labels = labels

    @abstractmethod
    def family(self, common: dict[str, str]) -> Metric: ...


class Counter(Series):
    """Only grows. With `labels` given as values in the order of their names."""

    def __init__(self, name: str, help: str, *labels: str) -> None:
        super().__init__(name, help, *labels)
        self.values: dict[Labels, float] = {} if labels else {(): 0}

    def add(self, labels: Labels = (), amount: float = 1) -> None:
        values = self.values
        if labels not in values and len(values) >= MAX_LABEL_SETS:
            labels = (OTHER,) * len(labels)
        values[labels] = values.get(labels, 0) + amount

    def expect(self, values: Iterable[str]) -> None:
        """Show these values of the one label from the start, so that the first of each is seen as growth."""
        for value in values:
            self.add((value,), 0)

    def family(self, common: dict[str, str]) -> Metric:
        family = CounterMetricFamily(self.name, self.help, labels=[*common, *self.labels])
        for labels, value in list(self.values.items()):
            family.add_metric([*common.values(), *labels], value)
        return family


class SharedCounter(Counter):
    """One that several threads write."""

    def __init__(self, name: str, help: str, *labels: str) -> None:
        super().__init__(name, help, *labels)
        self._lock = Lock()

    def add(self, labels: Labels = (), amount: float = 1) -> None:
        with self._lock:
            super().add(labels, amount)


class Gauge(Counter):
    """What is so now; absent until it is known."""

    def __init__(self, name: str, help: str, *labels: str) -> None:
        super().__init__(name, help, *labels)
        self.values = {}

    def set(self, value: float, labels: Labels = ()) -> None:
        self.values[labels] = value

    def replace(self, values: Mapping[Labels, float]) -> None:
        """All there is now, the largest first where there are too many."""
        largest = sorted(values.items(), key=lambda item: item[1], reverse=True)[:MAX_LABEL_SETS]
        self.values = dict(largest)

    def clear(self) -> None:
        """Not known now: the series is absent rather than wrong."""
        self.values = {}

    def family(self, common: dict[str, str]) -> Metric:
        family = GaugeMetricFamily(self.name, self.help, labels=[*common, *self.labels])
        for labels, value in list(self.values.items()):
            family.add_metric([*common.values(), *labels], value)
        return family


class Histogram(Series):
    def __init__(self, name: str, help: str, bounds: Sequence[float], *labels: str) -> None:
        super().__init__(name, help, *labels)
        self.bounds = bounds
        self.values: dict[Labels, Buckets] = {}
        self._ends = [*(str(bound) for bound in bounds), "+Inf"]

    def observe(self, value: float, labels: Labels = ()) -> None:
        buckets = self.values.get(labels)
        if buckets is None:
            buckets = self._add(labels)
        buckets.observe(value)

    def _add(self, labels: Labels) -> Buckets:
        if len(self.values) >= MAX_LABEL_SETS:
            labels = (OTHER,) * len(labels)
        return self.values.setdefault(labels, Buckets(self.bounds))

    def family(self, common: dict[str, str]) -> Metric:
        family = HistogramMetricFamily(self.name, self.help, labels=[*common, *self.labels])
        for labels, buckets in list(self.values.items()):
            counts = list(zip(self._ends, accumulate(buckets.counts), strict=True))
            family.add_metric([*common.values(), *labels], counts, buckets.sum)
        return family


def tag_label(name: str) -> str:
    """The label of a tag. ConfigError where Prometheus has no way to write it."""
    if _TAG.fullmatch(name) is None:
        raise ConfigError(f"tag `{name}` cannot be a label; Prometheus allows letters, digits and `_`")
    return f"tag_{name}"


class Metrics(Collector):
    """Every series of one node, with `namespace` as a label of all. `tags` are the labels that users asked for."""

    def __init__(self, namespace: str, tags: Sequence[str] = ()) -> None:
        tag_labels = [tag_label(name) for name in tags]
        self.purged = Counter(
            "purged_total", "Executions that this node deleted by their retention.", "workflow", "status"
        )
        self._tag_values: dict[str, set[str]] = {name: set() for name in tags}
        self.executions_submitted = SharedCounter(
            "executions_submitted_total", "Executions that this node made: for spawns of bodies, and for ticks.",
            "workflow",
        )  # fmt: skip
        self.executions_finished = SharedCounter(
            "executions_finished_total",
            "Executions that ended on this node, or whose time it found to be up.",
            "workflow", "status", *tag_labels,
        )  # fmt: skip
        self.executions_kept = Gauge(
            "executions_kept", "Executions in the database, those that have ended included.", "workflow", "status"
        )
        self.execution_duration = Histogram(
            "execution_duration_seconds", "From submit to the end, sleeps included.",
            EXECUTION_SECONDS, "workflow", *tag_labels,
        )  # fmt: skip
        self.pickup = Histogram(
            "pickup_seconds", "From the instant an execution was due to its claim.",
            QUICK_SECONDS, "workflow", *tag_labels,
        )  # fmt: skip
        self.pickup_sla = Counter(
            "pickup_sla_total", "Claims within 5 s of the instant they were due, or later: met, missed.",
            "workflow", "result", *tag_labels,
        )  # fmt: skip
        self.steps = Counter(
            "steps_total", "Tries of steps, recorded: completed, failed (for good), retried, crashed (with a worker).",
            "workflow", "step", "status",
        )  # fmt: skip
        self.step_duration = Histogram(
            "step_duration_seconds", "How long recorded tries of steps took.", STEP_SECONDS, "workflow", "step"
        )
        self.step_retries = Counter(
            "step_retries_total", "Tries that failed and are followed by another.", "workflow", "step"
        )
        self.steps_replayed = Counter(
            "steps_replayed_total", "Recorded steps that an execution brought to a worker, not run again.", "workflow"
        )
        self.payload_bytes = Histogram(
            "payload_bytes", "Size of payloads as stored: input, step, result.", BYTES, "operation"
        )
        self.queue_depth = Gauge("queue_depth", "Executions in the database that have not ended.", "status")
        self.queue_age = Gauge("queue_age_seconds", "How long the oldest due execution has been waiting; 0 for none.")
        self.backlog = Gauge("backlog", "Due executions that no node has taken yet.", "workflow")
        self.backlog_age = Gauge("backlog_age_seconds", "How long the oldest of them has been waiting.", "workflow")
        self.backlog_drain = Gauge(
            "backlog_drain_seconds",
            "Until it is gone, as fast as the last minute; absent: nothing ends.",
            "workflow",
        )
        self.utilization = Gauge(
            "utilization_ratio", "Places taken of all that the nodes have which run the workflow.", "workflow"
        )
        self.label_backlog = Gauge("label_backlog", "Due executions that need this label.", "label")
        self.label_backlog_age = Gauge(
            "label_backlog_age_seconds", "How long the oldest of them has been waiting.", "label"
        )
        self.label_backlog_drain = Gauge(
            "label_backlog_drain_seconds", "As of workflows: until the backlog of a label is gone.", "label"
        )
        self.label_utilization = Gauge(
            "label_utilization_ratio", "Places taken of all that the nodes with this label have.", "label"
        )
        self.unserved = Gauge("unserved", "Due executions of workflows that no living node serves.", "workflow")
        self.label_unserved = Gauge(
            "label_unserved", "Due executions that need this label, which no living node has.", "label"
        )
        self.paused = Gauge("paused", "1 for each workflow that is paused; `*`: for the whole namespace.", "workflow")
        self.parked = Gauge("parked", "Executions that wait for a person.")
        self.workers = Gauge("workers", "Worker processes of this node.", "state")
        self.worker_utilization = Gauge(
            "worker_utilization_ratio", "Executions that run, by the places of the workers that are up."
        )
        self.worker_restarts = Counter("worker_restarts_total", "Workers that ended while the node lives.", "reason")
        self.heartbeats = Counter("heartbeats_total", "Beats of this node: ok, failed, refused.", "result")
        self.leases_acquired = Counter("leases_acquired_total", "Executions claimed.")
        self.leases_taken_over = Counter("leases_taken_over_total", "Executions this node gave back of dead nodes.")
        self.leases_lost = Counter(
            "leases_lost_total", "Executions this node held that turned out not to be its any more."
        )
        self.circuit_state = Gauge(
            "circuit_state", "A circuit breaker of this node: 0 closed, 1 half-open, 2 open; `worker` for `dispatch`.",
            "circuit", "worker",
        )  # fmt: skip
        self.circuit_transitions = Counter(
            "circuit_transitions_total", "How often it became so: closed, half_open, open.",
            "circuit", "worker", "status",
        )  # fmt: skip
        self.store_operations = Histogram(
            "store_operation_seconds",
            "Calls of the node to its database; `transaction` is a whole one, with its commit.",
            QUICK_SECONDS,
            "operation",
        )
        self.store_errors = Counter("store_errors_total", "Calls that the database did not answer.", "operation")
        self.store_rewound = Counter(
            "store_rewound_total", "Times the database turned out to have lost what it had confirmed."
        )
        self.schedules_fired = Counter("schedules_fired_total", "Executions this node made for ticks.", "workflow")
        self.schedules_missed = Counter("schedules_missed_total", "Ticks this node passed over, by policy.", "workflow")
        self.store_connections = Gauge(
            "store_connections", "Connections that this node has open, to write, to watch and to count."
        )
        self.commit_batch_size = Histogram("commit_batch_size", "Executions written in one transaction.", COUNTS)
        self.timer_lag = Histogram(
            "timer_lag_seconds", "How late the oldest timer was in each round that moved some.", QUICK_SECONDS
        )
        self.nondeterminism = Counter(
            "nondeterminism_total",
            "Executions parked because their records do not match any living node's code; hand-overs do not count.",
            "workflow",
        )
        self.clock_skew = Gauge("clock_skew_seconds", "The database's clock minus this host's.")
        self._common = {"namespace": namespace}
        self._before: list[Callable[[], None]] = []
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def labels_of(self, tags: Mapping[str, str]) -> Labels:
        """The values of the tags that users want to see, each with few different ones."""
        labels = []
        for name, known in self._tag_values.items():
            value = tags.get(name, "")
            if value not in known:
                if len(known) < MAX_TAG_VALUES:
                    known.add(value)
                else:
                    value = OTHER
            labels.append(value)
        return tuple(labels)

    def before_scrape(self, look: Callable[[], None]) -> None:
        """Call it at each scrape: it sets gauges, and must not wait long."""
        self._before.append(look)

    def collect(self) -> Iterator[Metric]:
        for look in self._before:
            look()
        for series in self._series():
            yield series.family(self._common)

    def exposition(self) -> bytes:
        """Prometheus's text format."""
        return generate_latest(self._registry)

    def _series(self) -> Iterable[Series]:
        return [value for value in vars(self).values() if isinstance(value, Series)]
