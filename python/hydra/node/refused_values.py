"""What the database never takes of one execution parks it, so that it ends neither the node nor its other work (G7).

A value it refuses, or a fault of hydra's own: what came before is written, and what ended beside a value; a step whose
result is the value is recorded as crashed. What is not written runs again once a person has resumed the execution. The
others of its batch are written at once: of the database this says nothing.

    refused ── its body still runs ──► held: nothing is written, the body stops, its steps run to their end ──► its end
            └─ it has ended ─────────► parked, with all that can be written  ◄─────── refused once more ◄────────┘
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

from hydra.codec import encode
from hydra.dispatch.events import CommitDone
from hydra.errors import LeaseLost, PayloadError, StoreUnavailable
from hydra.execution import CommitAnswer, End, Ending, ExecutionCommit, NodeRef, Record
from hydra.node.membership import NO_ANSWER
from hydra.node.outcome_log import tell_found
from hydra.records.kept import kept_without
from hydra.stores.batches import have_arrived
from hydra.stores.store import Store

MAX_LEFT_OUT = 8  # values of one execution that are left out one by one

log = logging.getLogger("hydra.store")


class Items(Protocol):
    """Of one batch."""

    @property
    def commits(self) -> Sequence[ExecutionCommit]: ...
    @property
    def parked_ids(self) -> frozenset[str]:
        """Those parked in the place of what was asked."""
        ...

    @property
    def held_ids(self) -> frozenset[str]:
        """Those of which nothing is to be written."""
        ...

    @property
    def written(self) -> Sequence[ExecutionCommit]:
        """The others."""
        ...


def write_apart(
    store: Store,
    node: NodeRef,
    proven_number: int | None,
    batches: Mapping[int, Items],
    elsewhere: frozenset[str],
    now: int,
) -> list[CommitDone]:
    """Batches that were refused. Without an answer it raises: as of an unknown outcome, once a part is written."""
    done: list[CommitDone] = []
    for batch, items in batches.items():
        apart = _Apart(store, node, proven_number, now)
        try:
            apart.write_halves(items.written)
        except LeaseLost:
            raise
        except Exception as error:
            if not done and not apart.answers:
                raise
            # R16: what has been written of it is read back before it is asked again
            message = f"a part of a batch was written, and then: {error}"
            raise StoreUnavailable(message, outcome="unknown") from error
        parked_ids, held_ids = items.parked_ids | apart.given_up, items.held_ids | apart.held
        done.append(answer_of(batch, items.commits, apart.answers, parked_ids, held_ids, elsewhere))
    return done


class _Apart:
    """One batch in parts, halved until what is refused is alone."""

    def __init__(self, store: Store, node: NodeRef, proven_number: int | None, now: int) -> None:
        self.answers: list[CommitAnswer] = []  # of what is not held, from the first on; after an exception not of all
        self.given_up: set[str] = set()
        self.held: set[str] = set()
        self._store = store
        self._node = node
        self._proven_number = proven_number
        self._now = now

    def write_halves(self, commits: Sequence[ExecutionCommit]) -> None:
        middle = len(commits) // 2
        for half in (commits[:middle], commits[middle:]):
            if half:
                self._write(half)

    def _write(self, commits: Sequence[ExecutionCommit]) -> None:
        try:
            self.answers += self._written(commits)
        except (LeaseLost, *NO_ANSWER):
            raise
        except Exception as error:
            if len(commits) > 1:
                self.write_halves(commits)
            else:
                self._park(commits[0], error)

    def _written(self, commits: Sequence[ExecutionCommit]) -> list[CommitAnswer]:
        with self._store.transaction():
            # R19, as for whole batches
            if self._store.connection_number != self._proven_number:
                raise StoreUnavailable("the connection to the database is another one")
            return self._store.commit(self._node, list(commits), self._now)

    def _park(self, commit: ExecutionCommit, error: Exception) -> None:
        """With what can be written: all but the largest values, or else as many of the first records, by halves."""
        if is_held(commit, error):
            self.held.add(commit.id)
            return
        left_out = 0
        if isinstance(error, PayloadError):
            end, records = parked(commit.id, str(error)), _without_largest(commit.records, commit.end, str(error))
        else:
            told = f"hydra could not write what it did ({type(error).__name__}: {error}); please report this"
            end, records = parked(commit.id, told), list(commit.records)
        while True:
            try:
                self.answers += self._written(
                    [msgspec.structs.replace(commit, records=records, end=end, successor=None)]
                )
                self.given_up.add(commit.id)
                return
            except (LeaseLost, *NO_ANSWER):
                raise
            except Exception as again:
                if not records:
                    log.exception("execution `%s` cannot even be parked; please report this", commit.id)
                    raise
                if isinstance(again, PayloadError) and left_out < MAX_LEFT_OUT:
                    left_out += 1
                    records = _without_largest(records, None, str(again))
                else:
                    records = records[: len(records) // 2]


def is_held(commit: ExecutionCommit, error: Exception) -> bool:
    """Whether its body still runs, and is to end before what it did is refused for good."""
    if commit.end is not None:
        return False
    log.warning("execution `%s` stops, and is parked once its steps under way have ended: %s", commit.id, error)
    return True  # guard G4: of a body that still runs nothing is refused for good


def parked(id: str, reason: str) -> End:
    sentence = f"{reason}; then `hydra resume {id}`, which runs again whatever was not written"
    return End(Ending.PARKED, payload=encode(sentence))


def answer_of(
    batch: int,
    commits: Sequence[ExecutionCommit],
    written: Sequence[CommitAnswer],
    parked_ids: Iterable[str],
    held_ids: frozenset[str],
    elsewhere: frozenset[str],
) -> CommitDone:
    """What is told of a batch some of which was parked in the place of what was asked; `written` is of what is not
    held.
    """
    asked = frozenset(parked_ids)
    if not asked and not held_ids and not have_arrived(commits):
        return CommitDone(batch, list(written), elsewhere)
    if held_ids:
        answered = iter(written)
        written = [CommitAnswer.REFUSED if commit.id in held_ids else next(answered) for commit in commits]
    pairs = list(zip(commits, written, strict=True))
    given_up = frozenset(commit.id for commit, answer in pairs if answer and commit.id in asked)
    answers = [CommitAnswer.REFUSED if commit.id in asked else answer for commit, answer in pairs]
    arrived = [(place, each) for place, item in enumerate(commits) if item.id not in asked for each in item.arrived]
    return CommitDone(batch, answers, elsewhere, given_up, held_ids, arrived)


def tell_parked(store: Store, done: CommitDone) -> None:
    if done.given_up:
        try:
            tell_found(store, sorted(done.given_up))
        except NO_ANSWER as error:
            log.warning("%d executions are parked, and the database does not say why: %s", len(done.given_up), error)


def _without_largest(records: Sequence[Record], end: End | None, reason: str) -> list[Record]:
    """A database refuses the largest value, if any: of what ended beside it nothing is lost."""
    sizes = [len(record.payload or b"") for record in records]
    if end is not None and len(end.payload or b"") > max(sizes, default=0):
        return list(records)
    # guard G4: what ended beside a value that is refused is kept
    return kept_without(records, sizes.index(max(sizes)), reason) if sizes else []
