"""What is asked of the database and has not begun: what goes next, and what goes together. Pure; time is passed in.

    quick:  commit, claim and beat in one transaction ─► maintenance ─► the next transaction …
            What has waited for one transaction goes before the next; what comes together with one, behind it.
    slow:   beat ─► one other thing ─► beat ─► one other thing …     each in a transaction of its own

A database is slow for a while after something took a good part of the lease: then the lease must not hang on more than
one thing and the beat after it. What was asked together and has not begun fails together: so a beat never follows a
commit that failed, before the dispatcher has judged again whether one may be sent (R4).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from hydra.dispatch.events import Action, Register, SendBeat, SendClaim, SendCommit
from hydra.dispatch.lease import BEATS_PER_TTL
from hydra.node.requests import GiveBack, LookAtPeers, MoveTimers, Promote, SeeToSchedules

SLOW_PER_TTL = 20  # what takes longer than a twentieth of the lease makes the database slow
SLOW_TTLS = 2  # for so long
RESPITE_SECONDS = 0.0005  # at most, before maintenance
PATIENCE_PER_TTL = 100  # for the dispatcher, which may be about to ask for a beat that is due

# guard R11: a commit goes before the claim that leaves with it
_JOINT = (SendCommit, SendClaim, SendBeat)  # in this order in one transaction
MAINTENANCE = (Promote, MoveTimers, GiveBack, LookAtPeers, SeeToSchedules)


class RequestQueue:
    def __init__(self, ttl_ns: int) -> None:
        self._ttl_ns = ttl_ns
        self.patience_ns = ttl_ns // PATIENCE_PER_TTL
        self._asked: deque[Action] = deque()
        self._maintenance: dict[type[Action], Action] = {}
        self._slow_until_ns = 0
        self._beat_at_ns = 0  # when the last one began
        self._ended_at_ns = 0
        self._was_beat = False  # what ended last
        self._is_maintenance_next = False  # it has waited for a transaction

    @property
    def has_asked(self) -> bool:
        """Whether something waits that will be answered."""
        return bool(self._asked)

    def wait_seconds(self, has_done: bool) -> float | None:
        """How long what follows may wait for more to be asked: behind something done maintenance waits a moment, since
        the node's loop sends what was claimed to its workers, and needs the interpreter. None: nothing follows."""
        if not self._asked and not self._maintenance:
            return 0 if has_done else None
        if has_done:
            return 0 if self._asked else RESPITE_SECONDS
        return self.patience_ns / 1e9

    def ask(self, actions: Iterable[Action]) -> None:
        for action in actions:
            if isinstance(action, MAINTENANCE):
                self._maintenance.setdefault(type(action), action)
            else:
                self._asked.append(action)

    def next(self, now_ns: int) -> list[Action]:
        """What to do now: one transaction, or one thing by itself. Nothing: wait for more, at most for the patience."""
        joint = self._joint()
        if self._asked and not joint:
            return [self._asked.popleft()]
        is_slow = now_ns < self._slow_until_ns
        is_beat_due = is_slow and not self._was_beat and now_ns - self._beat_at_ns >= self._ttl_ns // BEATS_PER_TTL
        if is_slow and not self._was_beat:
            if joint and isinstance(joint[-1], SendBeat):  # guard R5: on a slow database the beat goes first and alone
                return self._take(joint[-1:])
            if is_beat_due and now_ns < self._ended_at_ns + self.patience_ns:
                return []
        if self._maintenance and not is_beat_due and (self._is_maintenance_next or not joint):
            self._is_maintenance_next = False
            return [self._maintenance.pop(next(iter(self._maintenance)))]
        self._is_maintenance_next = bool(self._maintenance)
        return self._take(joint[:1] if is_slow else joint)

    def drop(self) -> list[Action]:
        """What was asked together with what failed, or was in doubt, and has not begun."""
        return self._take(self._joint())

    def ended(self, done: list[Action], began_ns: int, now_ns: int) -> None:
        """It was answered, or given up."""
        if now_ns - began_ns > self._ttl_ns // SLOW_PER_TTL:
            self._slow_until_ns = now_ns + SLOW_TTLS * self._ttl_ns
        self._ended_at_ns = now_ns
        self._was_beat = isinstance(done[-1], SendBeat | Register)
        if self._was_beat:
            self._beat_at_ns = began_ns

    def _joint(self) -> list[Action]:
        """What may go in one transaction, nothing else being asked before it."""
        found: list[Action] = []
        for action in self._asked:
            if not isinstance(action, _JOINT):
                break
            found.append(action)
        return sorted(found, key=lambda action: _JOINT.index(type(action))) if len(found) > 1 else found

    def _take(self, actions: list[Action]) -> list[Action]:
        for action in actions:
            self._asked.remove(action)
        return actions
