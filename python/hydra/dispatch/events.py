"""The dispatcher's vocabulary: what happens to a node (events in) and what it wants done (actions out).

Times ending in `_ns` are boottime nanoseconds. The dispatcher sees nothing else of the world.
"""

from __future__ import annotations

import msgspec

from hydra.dispatch.worker_ends import WorkerEnd
from hydra.execution import Claimed, CommitAnswer, End, ExecutionCommit, Progress, Record
from hydra.frames import FromWorker, ToWorker
from hydra.stores.node_states import Advanced, Beat, Owned


class Event(msgspec.Struct, gc=False):
    """Something that happened."""


class Registered(Event):
    """This node has a new identity and owns nothing yet; its clock was read before the registration was sent."""

    sent_ns: int


class RegisterFailed(Event):
    message: str


class Refused(Event):
    """The fence refused a write or a beat: this node was declared dead (or its session is over)."""


class Beaten(Event):
    """A heartbeat was committed; its clock was read at `sent_ns`, before it was sent (R5).

    Delivered after the answers of all that was written before it: its count is compared with the executions held (R16).
    """

    sent_ns: int
    beat: Beat


class BeatFailed(Event):
    message: str


class ClaimDone(Event):
    executions: list[Claimed]


class ClaimFailed(Event):
    """The claim certainly did not happen."""

    message: str


class CommitDone(Event):
    """Per commit, in the order asked.

    `elsewhere`: executions that differ from this node's code and were not parked, because other nodes have the code.
    `given_up`: those that the store thread parked in the place of what was asked. `held`: those of which it wrote
    nothing, since they are to be parked and their bodies still run: what goes on beside them is waited for."""

    batch: int
    written: list[CommitAnswer]
    elsewhere: frozenset[str] = frozenset()
    given_up: frozenset[str] = frozenset()
    held: frozenset[str] = frozenset()
    arrived: list[tuple[int, Record]] = []  # by place in the batch: events written in the place of expiries


class CommitFailed(Event):
    """The batch certainly did not happen (rolled back); try again after a pause."""

    batch: int
    message: str


class OutcomeUnknown(Event):
    """A claim or commit may or may not have happened: nothing more is written before a Resync (R16).

    `elsewhere`: see CommitDone; of what may have been written."""

    message: str
    elsewhere: frozenset[str] = frozenset()


class Reconnected(Event):
    """The connection is another one, perhaps to another server: nothing asked before happened, and nothing is written
    before a Resync has proven that the database is the one it was (R19)."""


class Reached(msgspec.Struct, frozen=True):
    """How far an execution has come in the database; in the claim `continued_epoch` a generation ended last. The claims
    `other_epochs` were others' than this process's."""

    id: str
    epoch: int
    record_count: int
    is_final: bool
    continued_epoch: int = 0
    other_epochs: frozenset[int] = frozenset()


class Resynced(Event):
    """What the database says this node owns, read under its row's exclusive lock with the session raised; its beat's
    counter; and how far those have come that were asked about, without those it does not know."""

    owned: list[Owned]
    counter: int = 0
    found: list[Reached] = []
    is_behind: bool = False  # its session was lower than this node's own, which only an older database can say (R19)


class ResyncFailed(Event):
    message: str


class Recovered(Event):
    """Executions a Resync found owned but unknown here, read back with their records (the claim's reply was lost), and
    those of which it is not known whether an expiry was written or the event it waited for. As many as one claim may
    bring: the next resync asks for the rest."""

    executions: list[Claimed]
    has_more: bool = False


class Parked(Event):
    """The database knew less of these, and parked them, which was told; what it lost is not silently done again (R19).

    `settled`: others had parked these before. `elsewhere`: it knows less of these, too, but another living node runs
    them. `is_rewound`: the refusal before it was
    no death, but an older database's."""

    ids: list[str]
    elsewhere: list[str] = []
    settled: list[str] = []
    gone: list[str] = []  # it does not know these at all: whatever submits them again runs them from the start
    is_rewound: bool = False


class ParkFailed(Event):
    message: str


class WorkerStarted(Event):
    """Its Hello arrived; it can take work."""

    slot: int


class WorkerEnding(Event):
    """It is dead, or hears nothing any more: nothing is given to it. WorkerGone follows, perhaps only when the database
    has said what its transactions did."""

    slot: int


class WorkerGone(Event):
    """It is dead, reaped, and its socket drained to the end: all its frames were delivered before this event (R22).

    `running` are the steps its page shows, keyed by token: records with seq 0, to be numbered here; of kind CRASH, or
    TRY where a step ran past its time-out.
    """

    slot: int
    reason: WorkerEnd
    running: list[tuple[int, Record]]


class Received(Event):
    slot: int
    frames: list[FromWorker]


class WorkHint(Event):
    """The database may hold due work (doorbell, data_version, notification, timer)."""


class StepOverdue(Event):
    """A step is still running a grace past its time-out: its worker could not enforce it. Acted on at once."""

    slot: int
    token: int


class WorkerSilent(Event):
    """A worker's native heartbeat stopped (SIGSTOP, frozen)."""

    slot: int


class WorkerStalled(Event):
    """A worker's hub has not yielded for long; it gets no new work until it does."""

    slot: int
    stalled: bool


class WorkerOutgrown(Event):
    """A worker takes more memory than it may."""

    slot: int
    resident_bytes: int


class BodyOverdue(Event):
    """The body of this dispatch has held up its worker's hub for longer than its `body_timeout`."""

    slot: int
    token: int


class BreakersSeen(Event):
    """Which breakers of steps the database has as open: until when on its clock, and why."""

    open: dict[str, tuple[int, str]]
    now: int


class Tick(Event):
    """Time passed; sent at the instant the last WakeAt asked for, or sooner."""


class DrainAsked(Event):
    """SIGTERM: finish or hand back within the grace, then exit."""


class StopAsked(Event):
    """Second signal: exit at once."""


class Reload(Event):
    """SIGHUP: new work goes to workers of the new code; `workflows` are its names."""

    workflows: list[str]


class Action(msgspec.Struct, gc=False):
    """Something the shell shall do."""


class Register(Action):
    pass


class SendBeat(Action):
    """With what long steps said of how far they are; what is not written with it comes again."""

    reports: list[Progress] = []
    listening: dict[str, int] = {}  # executions that want messages, and the last number that each has
    circuits: dict[str, str] = {}  # of this node's those that are not closed, and why: for people who ask


class SendClaim(Action):
    """At most one is under way at a time."""

    slots: int


class SendCommit(Action):
    """At most one is under way at a time; everything that arrives meanwhile is the next one (group commit)."""

    batch: int
    commits: list[ExecutionCommit]


class SendResync(Action):
    ids: list[str] = []  # also wanted: how far these have come


class Renew(Action):
    """A new identity, lock file and lease page; the workers of the old one, which are being killed, get none (R1)."""


class Park(Action):
    """End this process's registrations, and park what has come less far than is known (R19). `beat_counter` was the
    last that was confirmed; `is_refused` where the fence refused, so that the database is still to be asked why."""

    advanced: list[Advanced]
    beat_counter: int
    is_refused: bool


class Recover(Action):
    """Read these owned executions back with their records, as `claim` would give them."""

    ids: list[str]


class ToSlot(Action):
    slot: int
    frames: list[ToWorker]


class SpawnWorker(Action):
    """Slots run from 0 to twice the number of workers: after a reload the other half is used while one half drains.
    Reloads within that time use further ones."""

    slot: int


class KillWorker(Action):
    slot: int
    reason: WorkerEnd


class ExtendLease(Action):
    """Steps may start until `deadline_ns`."""

    deadline_ns: int


class WatchBreakers(Action):
    """From now on say with each beat which breakers are open."""


class BreakerOpened(Action):
    """Other nodes are to know, and whoever asks what its steps wait for."""

    name: str
    until: int
    reason: str


class BreakerClosed(Action):
    name: str


class WakeAt(Action):
    at_ns: int


class Log(Action):
    level: str
    message: str


class ExecutionEnded(Action):
    """It failed or is parked, and that is durable: a person may want to know. `step`: in which, where it was one."""

    id: str
    workflow: str
    key: str | None
    end: End
    step: str


class Exit(Action):
    """Unregister (if `registered`), then leave with this code."""

    code: int
    registered: bool
