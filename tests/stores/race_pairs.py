"""Every pair of verbs about one execution, put against each other on two real connections; what they answered must be
true of what the database then holds.

    execution with a callback, a child and a step in doubt ──► its state ──► both verbs at once ──► answers, rows, audit

A round has an execution of its own. `race` raises Untrue, which names the pair, the state and the seed.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import combinations_with_replacement
from typing import Any

import msgspec
from hydra import _core, codec
from hydra.client.completions import settle
from hydra.errors import IllegalMove, NotFound
from hydra.execution import (
    FINAL,
    Claimed,
    CommitAnswer,
    End,
    ExecutionCommit,
    Message,
    NodeRef,
    Record,
    Snapshot,
    Status,
    Submission,
)
from hydra.records import child_records
from hydra.records.callbacks import TOKEN, Callback, completion
from hydra.records.forks import Fork
from hydra.stores.filter import Filter
from hydra.stores.store import Store

from tests.stores.store_values import NOW, SECOND, WORKFLOW, register, submission

STATES = ("running", "waiting", "failed", "parked", "completed")
TIMEOUT_US = 1000 * SECOND
CHUNK = 10  # executions that are made together
TOKEN_SEQ, SPAWN_SEQ, START_SEQ, NEXT_SEQ = 1, 2, 3, 4
EVERYTHING = Filter(limit=1000)


class Untrue(AssertionError):
    """What a verb answered is not so, or something waits for ever."""


@dataclass
class Subject:
    """One execution, what was made with it, and what the verbs of this round sent."""

    claimed: Claimed
    child: Claimed
    callback: Callback
    state: str
    late_at: int  # it has run out of time then
    sent: list[str] = field(default_factory=list)
    made: list[str] = field(default_factory=list)

    @property
    def id(self) -> str:
        return self.claimed.id

    def commit(self, *records: Record, end: End | None = None) -> ExecutionCommit:
        return ExecutionCommit(self.id, self.claimed.epoch, list(records), end)


@dataclass
class Seen:
    """What the database holds after a round."""

    subject: Subject
    now: Snapshot | None
    child: Snapshot | None
    records: list[Record]
    messages: list[Message]

    @property
    def is_open(self) -> bool:
        return self.now is not None and self.now.status not in FINAL

    @property
    def has_begun_anew(self) -> bool:
        return self.now is not None and not any(record.seq == TOKEN_SEQ for record in self.records)

    def at(self, seq: int) -> Record | None:
        return next((record for record in self.records if record.seq == seq), None)

    def holds(self, id: str) -> bool:
        return any(message.id == id for message in self.messages)


Verb = Callable[["Race", Store, Subject], Any]
Check = Callable[[Any, Seen], bool]


def make_record(seq: int, kind: str, name: str, payload: bytes | None = None, ordinal: int = 0) -> Record:
    return Record(seq, kind, "", name, ordinal, 1, b"d" * 16, payload, NOW, NOW)


class Race:
    """Two stores on one database with a node each: `a`'s runs what is raced about, `b`'s its child. A node writes over
    its own connection only (R11)."""

    def __init__(self, a: Store, b: Store, seed: int) -> None:
        self.a, self.b, self.seed = a, b, seed
        self.node: NodeRef = register(a)
        self.child_node: NodeRef = register(b)
        self.random = random.Random(seed)
        self.round_count = 0
        self._late_at = NOW + TIMEOUT_US

    def run(self, pairs: list[tuple[str, str]], rounds: int, seconds: float | None = None) -> None:
        """So many rounds of each pair, a few at a time in turn; fewer where the time is over."""
        deadline = None if seconds is None else time.monotonic() + seconds
        for start in range(0, rounds, CHUNK):
            for pair in self.random.sample(pairs, len(pairs)):
                if deadline is not None and time.monotonic() > deadline:
                    return
                self.run_pair(pair, min(CHUNK, rounds - start))

    def run_pair(self, pair: tuple[str, str], rounds: int, state: str = "") -> None:
        states = [state for state in STATES if any(state in VERBS[name].states for name in pair)]
        state = state or self.random.choice(states)
        for subject in self.make(state, rounds):
            answers = self._at_once(pair, subject)
            seen = self._look(subject)
            for name, answer in zip(pair, answers, strict=True):
                if not VERBS[name].is_true(answer, seen):
                    raise self._untrue(pair, subject, answers, f"`{name}` answered {answer!r}, which is not so", seen)
            self._check(pair, answers, seen)
            self.round_count += 1
        if broken := self.a.audit():
            raise Untrue(f"seed {self.seed}, {pair} on what was {state}: {broken}")
        self._clear()

    def make(self, state: str, count: int) -> Iterator[Subject]:
        """So many executions in that state, and a child of each that runs."""
        parents = self._take([submission(timeout_us=TIMEOUT_US) for _ in range(count)])
        asked = [submission(timeout_us=None) for _ in parents]
        tokens = [f"{each.id}.1.secret" for each in parents]
        commits = []
        for each, child, token in zip(parents, asked, tokens, strict=True):
            begun = [
                make_record(TOKEN_SEQ, "value", TOKEN, codec.encode(token)),
                make_record(SPAWN_SEQ, "spawn", f"hydra.spawn:{WORKFLOW}", child_records.encode_request(child)),
                make_record(START_SEQ, "start", "ship"),
            ]
            commits.append(ExecutionCommit(each.id, each.epoch, begun))
        assert all(self.a.commit(self.node, commits, NOW))
        children = {each.id: each for each in self._claim(count, self.b, self.child_node)}
        if state != "running":
            ends = [ExecutionCommit(e.id, e.epoch, [], End(state, b"", wake_seq=e.wake_seq)) for e in parents]
            assert all(self.a.commit(self.node, ends, NOW))
        for each, child, token in zip(parents, asked, tokens, strict=True):
            assert each.timeout_at is not None
            yield Subject(each, children[child.id], Callback.of(token), state, each.timeout_at)

    def _take(self, submissions: list[Submission]) -> list[Claimed]:
        """Each with a time-out of its own, so that one can run out of time before the others."""
        asked = []
        for each in submissions:
            self._late_at += SECOND
            asked.append(msgspec.structs.replace(each, timeout_us=self._late_at - NOW))
        self.a.submit(asked, NOW)
        return sorted(self._claim(len(submissions), self.a, self.node), key=lambda each: each.id)

    def _claim(self, count: int, store: Store, node: NodeRef) -> list[Claimed]:
        found: list[Claimed] = []
        while len(found) < count:
            found += store.claim(node, [WORKFLOW], count - len(found), NOW)
        return found

    def _at_once(self, pair: tuple[str, str], subject: Subject) -> list[Any]:
        answers: list[Any] = [None, None]
        barrier = threading.Barrier(2)
        first, second = (self._home(name) for name in pair)
        one = first or (self.b if second is self.a else self.a)
        two = second or (self.a if one is self.b else self.b)

        def run(place: int, store: Store) -> None:
            barrier.wait()
            try:
                answers[place] = VERBS[pair[place]].act(self, store, subject)
            except (NotFound, IllegalMove) as refusal:
                answers[place] = refusal
            except BaseException as error:
                answers[place] = error

        other = threading.Thread(target=run, args=(1, two))
        other.start()
        run(0, one)
        other.join()
        for answer in answers:
            if isinstance(answer, BaseException) and not isinstance(answer, NotFound | IllegalMove):
                raise self._untrue(pair, subject, answers, "it failed", self._look(subject)) from answer
        return answers

    def _home(self, name: str) -> Store | None:
        """The store of whoever owns what the verb ends or records; None for anybody's."""
        return self.b if name == "child's end" else self.a if name in ENDS | RECORDS else None

    def _look(self, subject: Subject) -> Seen:
        now, child = self.a.get([subject.id, subject.child.id])
        return Seen(subject, now, child, self.a.records(subject.id), self.a.messages(subject.id))

    def _check(self, pair: tuple[str, str], answers: list[Any], seen: Seen) -> None:
        subject, wrong = seen.subject, ""
        if seen.now is not None and seen.now.status is Status.WAITING and seen.messages:
            wrong = "it waits although a message is there"
        elif seen.now is not None and seen.now.status is Status.WAITING and seen.now.cancel_requested:
            wrong = "it waits although it is to be cancelled"
        elif seen.now is not None and seen.child is None:
            wrong = "its child was purged, and it was not (R26)"
        elif seen.now is None and seen.child is not None and seen.child.status in FINAL:
            wrong = "it was purged, and its child was not (R26)"
        ended = [a is True for n, a in zip(pair, answers, strict=True) if n in ENDS]
        recorded = [a is True for n, a in zip(pair, answers, strict=True) if n in RECORDS]
        if sum(ended) > 1 or sum(recorded) > 1:
            wrong = "both were accepted, and one claim ends once and has one record of a number (R11, R13)"
        if not wrong and seen.is_open and "signal" in pair:
            late = Message(_core.uuid7(), subject.id, "go", b"late", NOW - 60 * SECOND)
            self.a.signal([late], NOW)
            if self.a.messages(subject.id)[-1].id != late.id:
                wrong = "a signal that was sent last, by a program whose clock is slow, is not the last"
        if wrong:
            raise self._untrue(pair, subject, answers, wrong, seen)

    def _untrue(self, pair: tuple[str, str], subject: Subject, answers: list[Any], wrong: str, seen: Seen) -> Untrue:
        held = (
            f"{seen.now and seen.now.status}, {[(r.seq, r.kind) for r in seen.records]}, {len(seen.messages)} messages"
        )
        return Untrue(f"seed {self.seed}, {pair} on what was {subject.state}: {wrong}; {answers} left {held}")

    def _clear(self) -> None:
        """What is left open is cancelled, so that the next claim finds only what is made for it."""
        open_ones = [each.id for each in self.a.list(EVERYTHING) if each.status not in FINAL]
        self.a.request_cancel(open_ones, NOW)
        for store, node in ((self.b, self.child_node), (self.a, self.node)):
            left = [*store.recover(node, open_ones), *store.claim(node, [WORKFLOW], 100, NOW)]
            store.commit(node, [ExecutionCommit(each.id, each.epoch, [], End("cancelled")) for each in left], NOW)
        assert all(each.status in FINAL for each in self.a.list(EVERYTHING)), "something waits for ever"
        while self.a.purge(NOW + 10 * TIMEOUT_US, 1000):
            pass


# the verbs, and when what they answer is true


def signal(race: Race, store: Store, subject: Subject) -> Any:
    message = Message(_core.uuid7(), subject.id, "go", b"go", NOW)
    return message.id, store.signal([message], NOW)[0]


def signal_is_true(answer: Any, seen: Seen) -> bool:
    id, status = answer
    if status is None or status in FINAL:
        return not seen.holds(id)
    return seen.holds(id) or seen.now is None


def complete(race: Race, store: Store, subject: Subject) -> Any:
    settle(subject.callback.token, completion("paid"), lambda ask: ask(store), lambda put: put(store, NOW))
    return True


def complete_is_true(answer: Any, seen: Seen) -> bool:
    expired = any(each.kind == "expiry" for each in seen.records)
    if answer is True:
        return not expired
    if isinstance(answer, NotFound):
        return seen.now is None or seen.has_begun_anew
    return expired or not seen.is_open or seen.subject.state in ("failed", "completed")


def cancel(race: Race, store: Store, subject: Subject) -> Any:
    return store.request_cancel([subject.id], NOW)[0]


def cancel_is_true(answer: Any, seen: Seen) -> bool:
    if answer is Status.CANCELLED:
        return seen.now is None or seen.now.status is Status.CANCELLED
    if answer is Status.RUNNING and seen.is_open:
        return seen.now is not None and seen.now.cancel_requested
    return answer is not None or seen.now is None


def expire(race: Race, store: Store, subject: Subject) -> Any:
    item = subject.commit(make_record(NEXT_SEQ, "expiry", subject.callback.name))
    return store.commit(race.node, [item], NOW)[0]


def expire_is_true(answer: Any, seen: Seen) -> bool:
    line = seen.at(NEXT_SEQ)
    is_written = line is not None and line.kind in ("expiry", "event")
    return not answer or is_written or seen.now is None or seen.has_begun_anew


def run_out_of_time(race: Race, store: Store, subject: Subject) -> Any:
    return store.promote(subject.late_at, 1000)


def run_out_of_time_is_true(answer: Any, seen: Seen) -> bool:
    """Its child, which has no time-out, is as it was."""
    return True


def finish(race: Race, store: Store, subject: Subject) -> Any:
    return store.commit(race.node, [subject.commit(end=End("completed", b"result"))], NOW)[0]


def finish_is_true(answer: Any, seen: Seen) -> bool:
    is_completed = seen.now is None or seen.now.status is Status.COMPLETED
    return not answer or answer == CommitAnswer.CANCELLING or is_completed


def suspend(race: Race, store: Store, subject: Subject) -> Any:
    end = End("waiting", wake_seq=subject.claimed.wake_seq)
    return store.commit(race.node, [subject.commit(end=end)], NOW)[0]


def suspend_is_true(answer: Any, seen: Seen) -> bool:
    return not answer or seen.now is None or seen.now.status is not Status.RUNNING


def begin_anew(race: Race, store: Store, subject: Subject) -> Any:
    return store.commit(race.node, [subject.commit(end=End("continued", b"next"))], NOW)[0]


def begin_anew_is_true(answer: Any, seen: Seen) -> bool:
    return not answer or seen.now is None or (seen.has_begun_anew and seen.now.status is not Status.RUNNING)


def purge(race: Race, store: Store, subject: Subject) -> Any:
    return store.purge(NOW + 9 * TIMEOUT_US, 1000)


def purge_is_true(answer: Any, seen: Seen) -> bool:
    return seen.now is not None or bool(answer)


def retry(race: Race, store: Store, subject: Subject) -> Any:
    return store.retry([subject.id], NOW)[0]


def retry_is_true(answer: Any, seen: Seen) -> bool:
    return answer is not Status.FAILED or seen.now is None or seen.now.attempt == 2


def resume(race: Race, store: Store, subject: Subject) -> Any:
    return store.resume([subject.id], NOW)[0]


def resume_is_true(answer: Any, seen: Seen) -> bool:
    return answer is not Status.PARKED or seen.now is None or seen.now.status is not Status.PARKED


def fork(race: Race, store: Store, subject: Subject) -> Any:
    made = submission(timeout_us=None)
    answer = store.fork(Fork(made, subject.id, TOKEN_SEQ, "forked"), NOW)
    subject.made.append(answer.id)
    return answer.created, [each.seq for each in store.records(answer.id)]


def fork_is_true(answer: Any, seen: Seen) -> bool:
    if isinstance(answer, NotFound):
        return seen.now is None or seen.has_begun_anew
    return bool(answer == (True, [TOKEN_SEQ]))


def resolve(race: Race, store: Store, subject: Subject) -> Any:
    settled = make_record(NEXT_SEQ, "resolution", "ship", codec.encode("shipped"))
    return store.resolve([(subject.id, settled)], NOW)[0]


def resolve_is_true(answer: Any, seen: Seen) -> bool:
    line = seen.at(NEXT_SEQ)
    is_written = line is not None and line.kind == "resolution"
    return seen.now is None or answer is not Status.PARKED or is_written


def spawn(race: Race, store: Store, subject: Subject) -> Any:
    asked = submission(key=f"of {subject.id}", timeout_us=None)
    subject.made.append(asked.id)
    line = make_record(NEXT_SEQ, "spawn", f"hydra.spawn:{WORKFLOW}", child_records.encode_request(asked), 1)
    return store.commit(race.node, [subject.commit(line)], NOW)[0]


def spawn_is_true(answer: Any, seen: Seen) -> bool:
    line = seen.at(NEXT_SEQ)
    is_written = line is not None and line.kind == "spawn"
    return not answer or is_written or seen.now is None or seen.has_begun_anew


def end_child(race: Race, store: Store, subject: Subject) -> Any:
    child = subject.child
    return store.commit(race.child_node, [ExecutionCommit(child.id, child.epoch, [], End("completed", b"c"))], NOW)[0]


def end_child_is_true(answer: Any, seen: Seen) -> bool:
    if answer != CommitAnswer.WRITTEN or seen.now is None:  # a cancel of its parent may overrule the end
        return True
    was_final = seen.subject.state in ("failed", "completed")
    return seen.holds(seen.subject.child.id) or not seen.is_open or was_final or seen.has_begun_anew


@dataclass(frozen=True)
class Contestant:
    act: Verb
    is_true: Check
    states: tuple[str, ...]  # in which it does something


VERBS = {
    "signal": Contestant(signal, signal_is_true, ("running", "waiting", "parked")),
    "complete": Contestant(complete, complete_is_true, ("running", "waiting")),
    "cancel": Contestant(cancel, cancel_is_true, ("running", "waiting", "parked")),
    "expiry": Contestant(expire, expire_is_true, ("running",)),
    "time-out": Contestant(run_out_of_time, run_out_of_time_is_true, ("running", "waiting")),
    "finish": Contestant(finish, finish_is_true, ("running",)),
    "suspend": Contestant(suspend, suspend_is_true, ("running",)),
    "continue": Contestant(begin_anew, begin_anew_is_true, ("running",)),
    "purge": Contestant(purge, purge_is_true, ("failed", "completed")),
    "retry": Contestant(retry, retry_is_true, ("failed",)),
    "resume": Contestant(resume, resume_is_true, ("parked",)),
    "fork": Contestant(fork, fork_is_true, STATES),
    "resolve": Contestant(resolve, resolve_is_true, ("parked",)),
    "spawn": Contestant(spawn, spawn_is_true, ("running",)),
    "child's end": Contestant(end_child, end_child_is_true, ("running", "waiting", "parked", "completed")),
}
ENDS = {"finish", "suspend", "continue"}
RECORDS = {"expiry", "spawn"}
PAIRS = list(combinations_with_replacement(VERBS, 2))
