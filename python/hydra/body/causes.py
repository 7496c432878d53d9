"""Which records hold the failures that end an attempt: a retry supersedes those, a resume gives them new attempts.

a step or child failed ──► noted ──► the body raises it, or what was raised from it ──► its records are the causes
"""

from __future__ import annotations

from hydra import codec
from hydra.body.record_log import RecordLog, Timing
from hydra.body.replay import History
from hydra.body.strand import Request
from hydra.execution import CAUSES, EXHAUSTED, PARKED_ATTEMPT, PARKED_TRIES, End, Ending, RecordKind

MAX_CHAIN_LENGTH = 1000  # exceptions looked through for a step's failure: causes, contexts, members of groups

VALUE = str(RecordKind.VALUE)


class Causes:
    """Of one claim. `exhausted`: records of last tries, where it parks for want of attempts."""

    def __init__(self) -> None:
        self.exhausted: list[int] = []
        self._raised: dict[int, tuple[BaseException, int]] = {}  # failures of steps and children, and their records
        self._beside: dict[int, list[BaseException]] = {}  # what failed in one gather with what it raised
        self._requested: list[tuple[int, Request]] = []  # records of failures that an async body asked for, and how
        self._seqs: list[int] = []  # the records of what left the body
        self._is_of_child = False

    def note(self, error: BaseException, seq: int) -> None:
        """It is the failure of a step or a child, and has this record."""
        self._raised[id(error)] = (error, seq)

    def note_beside(self, error: BaseException, others: list[BaseException]) -> None:
        """What else failed in the gather that raises this."""
        self._beside[id(error)] = others

    def note_request(self, seq: int, request: Request | None) -> None:
        """Who is to be told of that failure; nobody may wait for it any more."""
        if request is not None:
            self._requested.append((seq, request))

    def of(self, error: BaseException, child_seqs: set[int]) -> tuple[list[int], list[int]]:
        """The records of the failures that left the body: of steps, and what children said."""
        found = causes_of(error, self._raised, self._beside)
        return [seq for seq in found if seq not in child_seqs], [seq for seq in found if seq in child_seqs]

    def set(self, steps: list[int], children: list[int]) -> None:
        """What has left the body."""
        self._seqs, self._is_of_child = steps + children, bool(children)

    # the last records of a claim

    def keep(self, end: End, attempt: int, history: History | None, log: RecordLog, now: int) -> None:
        """What a retry is to supersede, with failures that nobody was told of, since their calls had been given up."""
        if not self._seqs or end.kind not in (Ending.FAILED, Ending.RETRY):
            return
        seqs = self._with_unanswered()
        is_known = history is not None and attempt in history.causes
        if (self._is_of_child or len(seqs) > 1) and not is_known:
            log.append(VALUE, ("", CAUSES, attempt), b"", codec.encode(seqs), Timing(attempt, now, now))
        self._seqs = []

    def keep_exhausted(self, end: End, attempt: int, log: RecordLog, now: int) -> None:
        """What a resume gives new attempts: the last record, so that it is durable with the park or not at all."""
        if end.cause != EXHAUSTED:
            return
        seqs, name = self.exhausted, PARKED_TRIES
        if not seqs:
            seqs, name = self._with_unanswered(), PARKED_ATTEMPT
        log.append(VALUE, ("", name, log.seq + 1), b"", codec.encode(seqs), Timing(attempt, now, now))

    def _with_unanswered(self) -> list[int]:
        unanswered = [seq for seq, request in self._requested if not request.is_answered]
        return list(dict.fromkeys(self._seqs + unanswered))


def causes_of(
    error: BaseException | None, known: dict[int, tuple[BaseException, int]], beside: dict[int, list[BaseException]]
) -> list[int]:
    """The records of what left the body, as itself or as what was raised from it: all of a group, all of one gather."""
    found: list[int] = []
    left = [error]
    seen: set[int] = set()
    while left and len(seen) < MAX_CHAIN_LENGTH:
        one = left.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        if id(one) in known:
            others = [known[id(other)][1] for other in beside.get(id(one), ()) if id(other) in known]
            found += [known[id(one)][1], *others]
            continue
        members = codec.members_of(one)
        left += reversed(members[:MAX_CHAIN_LENGTH]) if members else [codec.cause_of(one)]
    return list(dict.fromkeys(found))
