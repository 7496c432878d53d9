"""What an audit has to do grows with the records of an execution, and with the executions: not with their square."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from typing import NamedTuple

from hydra import schedules
from hydra.cron import Cron
from hydra.execution import End, ExecutionCommit, Submission
from hydra.schedules import ScheduleSpec
from hydra.stores.store import Store

from tests.stores.audit_work import counter_of
from tests.stores.breakers import Breaker, breaker_of
from tests.stores.breaks import RECORD
from tests.stores.store_values import NOW, claim, end, register, running, submission, submit

FEW, TIMES = 75, 4
MOST_TIMES = 7  # of what is sorted; a square would be 16
MESSAGE = "execution_id, id, name, payload, sent_at"
LIMIT = "namespace, kind, name, count, per_us, burst"
OCTETS = {"sqlite": "x'{}'", "postgres": "decode('{}', 'hex')", "mysql": "x'{}'"}
EVERY_MINUTE = ScheduleSpec.of(Cron("* * * * *"), None)


class Sketch(NamedTuple):
    """What is not the same in all records."""

    kind: str
    name: str
    ordinal: int
    attempt: int = 1
    digest: bytes = b"d" * 16
    payload: bytes = b"x"


class LongLife:
    """An execution that waits, with records of every kind, and as many executions of each kind beside it."""

    def __init__(self, store: Store, breaker: Breaker) -> None:
        self.store, self.breaker = store, breaker
        self.node = register(store)
        parent = running(store, self.node)
        assert end(store, self.node, parent, "waiting")
        self.parent_id = breaker.id(parent.id)
        self.record_count = self.step_count = 0
        breaker.run(f"insert into hydra_limit ({LIMIT}) values ('default', 'concurrency', 'one', 1, 0, 0)")

    def grow(self, count: int) -> None:
        """By so many steps that failed, were tried again and went well; others that a person settled, tries of one
        step, events, children that have ended, messages; keys of a limit, and schedules that have fired."""
        failures_from = self.record_count + 1
        steps = range(self.step_count, self.step_count + count)
        self.step_count += count
        self._record(Sketch("failure", "charge", each) for each in steps)
        self._record(Sketch("supersede", "", failures_from + each, digest=b"") for each in range(count))
        self._record(Sketch("try", "charge", each) for each in steps)
        self._record(Sketch("step", "charge", each, 2) for each in steps)
        self._record(Sketch("try", "poll", 0, each + 1) for each in steps)
        self._record(Sketch("start", "look", each) for each in steps)
        self._record(Sketch("resolution", "look", each) for each in steps)
        self._record(Sketch("event", "paid", each, digest=uuid.uuid4().bytes) for each in steps)
        children = self._ended(count)
        asked = [(each, b'header"%b"' % id.encode()) for each, id in zip(steps, children, strict=True)]
        self._record(Sketch("spawn", "hydra.spawn:bill", each, payload=payload) for each, payload in asked)
        self._record(Sketch("event", f"hydra.child:{id}", 0, digest=uuid.UUID(id).bytes) for id in children)
        self._add_messages(count)
        self._add_schedules([f"timed-{each}" for each in steps])
        waiting = [submission().id for _ in steps]
        keys = [f"concurrency:one:{each}" for each in steps]
        self.store.submit([limited(id, key) for id, key in zip(waiting, keys, strict=True)], NOW)

    def _record(self, sketches: Iterable[Sketch]) -> None:
        rows = [self._as_values(seq, each) for seq, each in enumerate(sketches, self.record_count + 1)]
        self.record_count += len(rows)
        self.breaker.run(f"insert into hydra_record ({RECORD}) values {', '.join(rows)}")
        self.breaker.run(f"update hydra_execution set record_count = {self.record_count} where id = {self.parent_id}")

    def _as_values(self, seq: int, sketch: Sketch) -> str:
        kind, name, ordinal, attempt, digest, payload = sketch
        octets = f"{self._octets(digest)}, {self._octets(payload)}"
        return f"({self.parent_id}, {seq}, '{kind}', '', '{name}', {ordinal}, {attempt}, {octets}, 0, 0, 0)"

    def _octets(self, value: bytes) -> str:
        return OCTETS[self.breaker.NAME].format(value.hex())

    def _ended(self, count: int) -> list[str]:
        ids = submit(self.store, count)
        claimed = claim(self.store, self.node, count)
        ends = [ExecutionCommit(each.id, each.epoch, [], End("completed", b"x")) for each in claimed]
        assert self.store.commit(self.node, ends, NOW) == [True] * count
        return ids

    def _add_messages(self, count: int) -> None:
        ids = (self.breaker.id(str(uuid.uuid4())) for _ in range(count))
        rows = ", ".join(f"({self.parent_id}, {id}, 'paid', {self._octets(b'x')}, 0)" for id in ids)
        self.breaker.run(f"insert into hydra_message ({MESSAGE}) values {rows}")

    def _add_schedules(self, names: list[str]) -> None:
        entries = [schedules.register(name, EVERY_MINUTE, None, NOW) for name in names]
        self.store.upsert_schedules(self.node, entries, NOW)
        self.store.submit([submission(name, key="hydra.tick:2020-01-01T00:00Z") for name in names], NOW)


def limited(id: str, key: str) -> Submission:
    return Submission(id, "bill", b"input", b"d" * 16, limit_keys=(key,))


def test_g3_g4_four_times_the_records_and_executions_are_about_four_times_the_work_of_each_question(
    open_another: Callable[..., Store], url: str
) -> None:
    store, breaker = open_another(), breaker_of(url)
    try:
        life = LongLife(store, breaker)
        life.grow(FEW)
        assert store.audit() == []
        few = works(url)
        life.grow((TIMES - 1) * FEW)
        assert store.audit() == []
        many = works(url)
    finally:
        breaker.close()
    assert few["order_of_records"] > FEW
    assert {name: (few[name], work) for name, work in many.items() if work > MOST_TIMES * few[name] + FEW} == {}


def works(url: str) -> dict[str, int]:
    """Of each question."""
    counter = counter_of(url)
    try:
        return {question: counter.work(question) for question in counter.questions()}
    finally:
        counter.close()
