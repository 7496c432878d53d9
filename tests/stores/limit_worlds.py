"""Random lives of executions with limits, on a store: who holds a place is kept by hand beside it, and compared.

Nodes die, and write once more when they are dead; replies are lost, so that what was done is asked for again; providers
say to come back later; operators pause keys. A flood of calls is more than a look answers.

python -m tests.stores.limit_worlds --seeds 1000            # on SQLite; a failure prints its seed
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from hydra import _core
from hydra.errors import LeaseLost
from hydra.execution import (
    CoolDown,
    Debounced,
    End,
    Ending,
    ExecutionCommit,
    Message,
    NodeRef,
    Record,
    Status,
    Submission,
)
from hydra.records.forks import Fork
from hydra.stores import admitting, open_store
from hydra.stores.acts import Act, ActKind
from hydra.stores.admission import Waiting
from hydra.stores.key_pauses import KeyPause
from hydra.stores.rescheduling import Replacement, Reschedule
from hydra.stores.sqlite.admitting import Keys
from hydra.stores.store import Store
from hydra.stores.workflow_info import WorkflowInfo

from tests.stores.limit_promises import BOUNDS, LIMITS, MIXED, MOST_OF_TURNS, MOST_OF_TWO, RATES, STRICT, Promises
from tests.stores.store_values import NOW, SECOND, WORKFLOW, register

ENDINGS = [
    *[Ending.COMPLETED] * 6,
    Ending.FAILED,
    Ending.RETRY,
    Ending.SLEEPING,
    Ending.WAITING,
    Ending.CANCELLED,
    Ending.PARKED,
    Ending.CONTINUED,
    Ending.RELEASED,
    Ending.CRASHED,
]
BUSY_SHARE = 0.1  # of the rows that a look finds
FLOOD = 30  # calls, beside looks that answer few
FEW = {"MAX_CALLS": 5, "MAX_KEYS": 2, "MAX_TURN_KEYS": 8, "MAX_NEWEST_CALLS": 2}
KEEPING = {Ending.RELEASED, Ending.CRASHED}


class World(Promises):
    """What happens at random. In some lives a look answers few calls, and more come than it does."""

    def __init__(self, store: Store, seed: int, *, audit_each: int = 1) -> None:
        super().__init__(store, seed, NOW, audit_each)
        self.owner: dict[str, NodeRef] = {}
        self.keyed: set[str] = set()
        self.stale: list[tuple[NodeRef, ExecutionCommit]] = []  # what a dead node has not written yet
        self.is_flooded = self.chance.random() < 0.2
        self.nodes = [register(store, now=self.now) for _ in range(2)]
        for node in self.nodes:
            self._register(node)
        if self.chance.random() < 0.3:
            self.rush()

    def _register(self, node: NodeRef) -> None:
        self.store.register_workflows(
            node, [WorkflowInfo(WORKFLOW, b"{}", None, "code", limits=LIMITS, bounds=BOUNDS)], self.now
        )

    # what happens

    def submit(self) -> None:
        submissions = []
        is_strict = self.chance.random() < 0.2  # a row of those that go one by one
        for _ in range(5 if is_strict else self.chance.choice((1, 1, 2, 5))):
            value = "a" if is_strict else self.chance.choice("ab")
            chosen = self.chance.sample(MIXED, self.chance.choice((0, 1, 1, 1, 2, 3)))
            if self.chance.random() < 0.15:
                chosen = RATES
            if is_strict:
                chosen = STRICT
            keys = tuple(sorted(f"{each.kind}:{each.name}:{value}" for each in chosen)) or None
            delay = self.chance.choice((None,) * 5 + (300_000,))
            run_at = None if delay is None else self.now + delay
            timeout_us = self.chance.choice((None,) * 6 + (2 * SECOND,))
            submissions.append(
                Submission(
                    _core.uuid7(),
                    WORKFLOW,
                    b"input",
                    b"d" * 16,
                    run_at=run_at,
                    timeout_us=timeout_us,
                    limit_keys=keys,
                )
            )
        if not self.has_room(submissions):
            return
        answers = self.store.submit(submissions, self.now)
        assert all(answer.created for answer in answers)
        if self._loses_reply():  # submitted again: there is one of each all the same, and it is not refused
            self.depths.forget()
            self.depths.require_room(self.store, submissions)
            again = self.store.submit(submissions, self.now)
            assert [(answer.id, answer.created) for answer in again] == [(each.id, False) for each in submissions]
        for each in submissions:
            self.keys[each.id] = each.limit_keys or ()
            self.order.append(each.id)
            if each.run_at is not None:
                self.retried.add(each.id)  # its place in the queue is that of its instant

    def rush(self) -> None:
        """One value of a Fair has more waiting than it could begin, and another some behind them."""
        for value, count in (("a", 90), ("b", 40)):
            key = f"by_turns:shares:{value}"
            ids = [_core.uuid7() for _ in range(count)]
            self.store.submit(
                [Submission(id, WORKFLOW, b"input", b"d" * 16, limit_keys=(key,)) for id in ids], self.now
            )
            self.order += ids
            self.keys |= dict.fromkeys(ids, (key,))

    def pass_time(self) -> None:
        self.now += self.chance.choice((1_000, 20_000, 60_000, 400_000))

    def promote(self) -> None:
        self.store.promote(self.now, 100)
        if not self.is_flooded:  # then some keys are looked at later
            self.has_looked()
            self.check_turns()

    def claim(self) -> None:
        node = self.chance.choice(self.nodes)
        claims = self.store.claim(node, [WORKFLOW], self.chance.choice((1, 2, 10)), self.now)
        if self._loses_reply():  # the node asks what it owns
            place = self.nodes.index(node)
            before = node
            node, owned = self.store.resync(node)
            self.nodes[place] = node
            self.owner = {id: node if owner == before else owner for id, owner in self.owner.items()}
            assert {each.id for each in claims} <= {each.id for each in owned}
            claims = self.store.recover(node, [each.id for each in claims])
        for claimed in claims:
            assert claimed.id not in self.held
            self.begins(claimed.id)
            self.kept.discard(claimed.id)
            self.held[claimed.id], self.owner[claimed.id] = claimed, node
            self.begun.add(claimed.id)

    def end(self) -> None:
        if not self.held:
            return
        id = self.chance.choice(sorted(self.held))
        claimed, kind = self.held[id], self.chance.choice(ENDINGS)
        seq = len(claimed.records) + 1
        records = []
        if self.chance.random() < 0.4:
            name = "hydra.on_failure" if self.chance.random() < 0.2 else "step"
            records = [Record(seq, "value", "", name, seq, 1, b"", b"", self.now, self.now)]
        wake_at = {
            Ending.SLEEPING: self.now + 50_000,
            Ending.WAITING: self.chance.choice((0, self.now + 80_000)),
            Ending.RETRY: self.chance.choice((0, self.now + 50_000)),
        }.get(kind, 0)
        payload = b"next" if kind == Ending.CONTINUED else None
        if kind in (Ending.FAILED, Ending.PARKED):
            payload = _core.encode("because")
        outcome = End(kind, payload, wake_at, claimed.wake_seq)
        commit = ExecutionCommit(id, claimed.epoch, records, outcome)
        if kind == Ending.RETRY and wake_at and self.chance.random() < 0.5:  # its provider says to come back later
            key = self.chance.choice(self.keys[id]) if self.keys[id] else "concurrency:none:a"
            commit.cool_downs = (CoolDown(key.rpartition(":")[0], self.now + 40_000, "later"),)
        node = self.owner[id]
        (answer,) = self.store.commit(node, [commit], self.now)
        assert answer
        if self._loses_reply() and kind not in KEEPING:  # written again: it is nobody's any more, or was ended by this
            again = ExecutionCommit(id, claimed.epoch, list(records), outcome)
            assert not self.store.commit(node, [again], self.now)[0]
        if commit.cool_downs:
            for key in self.keys[id]:
                if key.startswith(f"{commit.cool_downs[0].limit}:") and self.until(key) < self.now + 40_000:
                    self.pauses(key, self.now + 40_000)
        for _, allowed in self.paused.values():
            allowed.discard(id)
        self.retried.add(id)
        if kind == Ending.CRASHED:
            self.held[id] = msgspec.structs.replace(
                claimed, epoch=claimed.epoch + 1, records=[*claimed.records, *records]
            )
            return
        del self.held[id], self.owner[id]
        (after,) = self.store.get([id])
        assert after is not None
        if after.status == Status.PENDING and after.gate is None and after.wake_at is None:
            self.kept.add(id)

    def signal(self) -> None:
        if self.order:
            id = self.chance.choice(self.order)
            self.store.signal([Message(_core.uuid7(), id, "news", b"", self.now)], self.now)

    def cancel(self) -> None:
        if self.order and self.chance.random() < 0.3:
            id = self.chance.choice(self.order)
            self.store.request_cancel([id], self.now, undo=self.chance.random() < 0.8)
            self._look_again(id)

    def order_again(self) -> None:
        if self.order:
            id = self.chance.choice(self.order)
            self.retried.add(id)
            self.store.retry([id], self.now)
            self.store.resume([id], self.now)

    def lose_node(self) -> None:
        if self.chance.random() > 0.1:
            return
        place = self.chance.randrange(2)
        dead = self.nodes[place]
        state = next(each for each in self.store.nodes() if each.info.id == dead.id)
        assert self.store.mark_dead(dead.id, state.counter, self.now)
        while self.store.return_executions(self.now, 10):
            pass
        for id in [id for id, node in self.owner.items() if node == dead]:
            late = ExecutionCommit(id, self.held[id].epoch, [], End(self.chance.choice(ENDINGS), None))
            self.stale.append((dead, late))
            del self.held[id], self.owner[id]
            self.kept.add(id)
            self.retried.add(id)
        self.nodes[place] = register(self.store, str(uuid.uuid4()), self.now)
        self._register(self.nodes[place])

    def write_late(self) -> None:
        """A node that was declared dead comes back and writes what it still had."""
        if self.stale:
            node, commit = self.stale.pop()
            with contextlib.suppress(LeaseLost):
                answers = self.store.commit(node, [commit], self.now)
                raise AssertionError(f"a dead node's end of `{commit.id}` was taken: {answers}")

    def pause_key(self) -> None:
        kind, name = self.chance.choice([*self.bounds, *[(each.kind, each.name) for each in RATES] * 2])
        key = f"{kind}:{name}:{self.chance.choice('ab')}"
        if self.chance.random() < 0.5:
            self.store.resume_key(key)
            self.paused.pop(key, None)
        else:
            until = self.now + self.chance.choice((60_000, 600_000))
            self.store.pause_key(KeyPause(key, until, self.now, "somebody", ""))
            self.pauses(key, until)

    def debounce(self) -> None:
        """All of a burst are one execution that has not begun."""
        key = self.chance.choice("kl")
        limit_keys = (f"concurrency:two:{self.chance.choice('ab')}",)
        submission = Submission(
            _core.uuid7(), WORKFLOW, b"input", b"d" * 16, key=key, limit_keys=limit_keys, debounce=Debounced(30_000)
        )
        (answer,) = self.store.submit([submission], self.now)
        if answer.created:
            self.order.append(answer.id)
            self.keyed.add(answer.id)
        else:
            assert answer.id not in self.begun, "what has begun keeps its arguments"
        self.keys[answer.id] = limit_keys
        self.retried.add(answer.id)

    def call_often(self) -> None:
        """For keys at which nobody waits."""
        for number in range(FLOOD if self.is_flooded else 3):
            self.store.pause_key(KeyPause(f"concurrency:one:nobody{number}", self.now + 1, self.now, "somebody", ""))

    def set_limit(self) -> None:
        kind, name = "concurrency", self.chance.choice(("one", "two", "three"))
        count = self.chance.choice((None, 1, 2, 4))
        assert self.store.set_limit(kind, name, (count, None, None), self.now)
        default = next(each.count for each in LIMITS if each.name == name)
        self.bounds[kind, name] = default if count is None else count
        self.most[kind, name] = max(self.most[kind, name], self.bounds[kind, name])

    def set_rate(self) -> None:
        code = self.chance.choice(RATES)
        numbers = self.chance.choice((None, None, (1, 1000 * SECOND, 2), (40, SECOND, 4)))
        assert self.store.set_limit(code.kind, code.name, numbers or (None, None, None), self.now)
        count, per_us, burst = numbers or (code.count, code.per_us, code.burst)
        self.changes(msgspec.structs.replace(code, count=count, per_us=per_us, burst=burst))

    def set_bound(self) -> None:
        count = self.chance.choice((None, 2, 8))
        if self.chance.random() < 0.5:
            assert self.store.set_limit("pending", "limit:two", (count, None, None), self.now)
            self.most_pending["two"] = count or MOST_OF_TWO
        else:
            assert self.store.set_limit("by_turns", "fair", (None, count, None), self.now)
            self.most_pending["fair"] = count or MOST_OF_TURNS

    def fork(self) -> None:
        if self.order and self.chance.random() < 0.3:
            source = self.chance.choice(self.order)
            id = _core.uuid7()
            copied = Submission(id, WORKFLOW, b"input", b"d" * 16, limit_keys=self.keys[source] or None)
            self.store.fork(Fork(copied, source, 0, "forked"), self.now)
            self.keys[id] = self.keys[source]
            self.order.append(id)

    def replace_input(self) -> None:
        """Other arguments, and other limits with them, where it has never begun; perhaps at another instant."""
        others = [id for id in self.order if id not in self.keyed]
        if not others:
            return
        id, value = self.chance.choice(others), self.chance.choice("ab")
        chosen = self.chance.sample(MIXED, self.chance.choice((0, 1, 1, 2, 3)))
        keys = tuple(sorted(f"{each.kind}:{each.name}:{value}" for each in chosen))
        at = self.chance.choice((None, None, self.now, self.now + 100_000))
        line = Act(id, _core.uuid7(), ActKind.RESCHEDULE, self.now, "", "")
        replacement = Replacement(WORKFLOW, None, b"other", b"e" * 16, None, keys or None)
        answer = self.store.reschedule(Reschedule(id, line, at, None, replacement), self.now)
        assert answer is not None
        assert not (answer.is_changed and id in self.begun), "what has begun keeps its arguments"
        if answer.is_changed:
            self.keys[id] = keys
            self.retried.add(id)

    def _loses_reply(self) -> bool:
        return self.chance.random() < 0.15

    def _look_again(self, id: str) -> None:
        for each in [each for each in self.kept if self.store.get([each])[0].status != Status.PENDING]:  # type: ignore[union-attr]
            self.kept.discard(each)
        (after,) = self.store.get([id])
        if after is not None and after.gate is not None:
            self.kept.discard(id)

    def run(self, steps: int) -> None:
        actions = [
            *[self.submit] * 4,
            *[self.pass_time] * 4,
            *[self.promote] * 8,
            *[self.claim] * 8,
            *[self.end] * 8,
            self.signal,
            self.cancel,
            self.order_again,
            self.lose_node,
            self.write_late,
            self.pause_key,
            self.debounce,
            self.call_often,
            self.set_limit,
            self.set_rate,
            self.set_bound,
            self.fork,
            self.replace_input,
        ]
        for _ in range(steps):
            self.chance.choice(actions)()
            self.forget_ended()
            self.check()
            self.check_shares()
        self.drain()
        self.check_rates()

    def drain(self) -> None:
        """Nobody waits for ever: with calls answered and time passing, everything ends."""
        for each in RATES:
            self.store.set_limit(each.kind, each.name, (None, None, None), self.now)
            self.changes(each)
        for _ in range(400):
            self.now += 100_000
            if self.is_flooded:
                self.call_often()
            self.promote()
            self.forget_ended()
            self.claim()
            for id in sorted(self.held):
                claimed = self.held.pop(id)
                commit = ExecutionCommit(id, claimed.epoch, [], End(Ending.CANCELLED))
                assert self.store.commit(self.owner.pop(id), [commit], self.now)[0]
            self.check()
            snapshots = self.store.get(self.order)
            waiting = [s for s in snapshots if s is not None and s.status == Status.PENDING]
            if not waiting and not self.held:
                return
        raise AssertionError(f"{len(waiting)} still wait, the first `{waiting[0]}`")


@contextlib.contextmanager
def disturbed(world: World, looks: Any = admitting) -> Iterator[None]:
    """Rows that others hold, as on a server; and where it is flooded, looks that answer few calls."""
    queues = Keys.queues

    def held(keys: Keys, rooms: Mapping[str, int]) -> Iterator[tuple[str, Waiting]]:
        for key, waiting in queues(keys, rooms):
            yield key, msgspec.structs.replace(waiting, is_free=world.chance.random() > BUSY_SHARE)

    few = {name: getattr(looks, name) for name in FEW}
    try:
        Keys.queues = held  # type: ignore[method-assign,assignment]
        for name, count in FEW.items() if world.is_flooded else ():
            setattr(looks, name, count)
        yield
    finally:
        Keys.queues = queues  # type: ignore[method-assign]
        for name, count in few.items():
            setattr(looks, name, count)


def live(folder: str | Path, seed: int, steps: int, audit_each: int, looks: Any = admitting) -> None:
    store = open_store(f"sqlite:///{folder}/{seed}.db?synchronous=normal", "default")
    store.open()
    with contextlib.closing(store):
        world = World(store, seed, audit_each=audit_each)
        with disturbed(world, looks):
            world.run(steps)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--audit-each", type=int, default=1, help="steps")
    options = parser.parse_args()
    for seed in range(options.first, options.first + options.seeds):
        with tempfile.TemporaryDirectory() as folder:
            try:
                live(folder, seed, options.steps, options.audit_each)
            except BaseException:
                print(f"seed {seed}")
                raise
        if seed % 100 == 99:
            print(f"{seed + 1 - options.first} worlds", flush=True)
    print(f"{options.seeds} worlds, every promise kept")


if __name__ == "__main__":
    main()
