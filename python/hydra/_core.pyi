"""The Rust hot path: payloads, ids, selection, heartbeat. Importing it starts no thread."""

from collections.abc import Callable, Iterable
from mmap import mmap
from typing import Any, Final, Literal, Self, final

def build_profile() -> Literal["release", "debug"]:
    """How the module was compiled; benchmarks refuse `debug`."""

def uuid7() -> str:
    """An id ordered by time, greater than every earlier one of this process; safe after a fork."""

def uuid7_many(count: int) -> list[str]:
    """`count` ids in ascending order."""

def encode(value: object, max_bytes: int = 16777216, takes_local_classes: bool = False) -> bytes:
    """A value as a payload: envelope, checksum, zstd where it helps.

    Raises `PayloadError` naming the type and the path of what cannot be encoded, `PayloadTooLarge` past `max_bytes`
    (measured before compression), and `LocalClass` for an object whose class nobody finds by its name, unless
    `takes_local_classes`: whoever sets it must see that the payload decodes under its annotation.
    """

def encode_with_digest(
    value: object, max_bytes: int = 16777216, takes_local_classes: bool = False
) -> tuple[bytes, bytes]:
    """The payload, and a 16-byte digest that does not see the order of dicts and sets, compression or class names."""

def digest_of_call(args: tuple[Any, ...], kwargs: dict[str, Any], max_bytes: int = 16777216) -> tuple[bytes, bool]:
    """The digest of `encode_with_digest` of `{"args": list(args), "kwargs": kwargs}` with `takes_local_classes`, and
    whether none of them can be changed in place, as far as their classes tell.
    """

def encode_many(
    values: Iterable[object], max_bytes: int = 16777216, takes_local_classes: bool = False
) -> list[tuple[bytes, bytes]]:
    """`encode_with_digest` of each; digests, compression and checksums run without the GIL."""

def decode(payload: bytes | bytearray | memoryview) -> Any:
    """The value; an object of a class comes back plain (an enum as its value, a dataclass as a dict). What only objects
    could be, an element of a set or a key, comes back as a list or as text.
    """

def decode_named(payload: bytes | bytearray | memoryview) -> Any:
    """The value; an object of a class comes back as `Named`."""

def decode_restored(
    payload: bytes | bytearray | memoryview, restore: Callable[[str, str, Any, Any], Any]
) -> tuple[Any, bool]:
    """The value; an object of a class comes back as what `restore(kind, name, value, more)` makes of it, or as a
    `Named` where that is NotImplemented, of which the second answer tells.
    """

@final
class Named:
    """A value that went in as an object of a class; `name` is `module:Class`, `more` is what it carried beside its
    fields, or the name of an enum's member.
    """

    @property
    def more(self) -> Any: ...
    @property
    def kind(self) -> Literal["enum", "namedtuple", "object", "known"]: ...
    @property
    def name(self) -> str: ...
    @property
    def value(self) -> Any: ...

def select(priorities: list[int], run_ats: list[int], groups: list[int], slots: int) -> list[int]:
    """The indices of at most `slots` candidates: larger priority first, then older `run_at`, then as given."""

def assign(loads: list[int], limits: list[int], caps: list[int]) -> list[int]:
    """The worker of each run, least loaded first, or -1.

    `loads[w]` runs are on worker w, none of which allows more than `limits[w]` there; `caps[r]` is the most runs,
    itself included, that run r allows on its worker. A placed run counts for those after it.
    """

def boottime_ns() -> int:
    """Nanoseconds since the machine started, time asleep included (CLOCK_BOOTTIME)."""

@final
class LeaseClock:
    """What a worker asks the words of its node's lease page several times a step; see `hydra.clock.LeasePage`."""

    def __init__(self, words: memoryview[int], tolerance_us: int) -> None: ...
    def may_start(self) -> bool:
        """Whether this node may still start a step."""
    def now(self) -> int:
        """Database time in microseconds, as `hydra.clock.onward` has it."""

class PageSlots:
    """The slots of a worker's page; see `hydra.worker.page`. Those with numbers from 0 on, once they are added."""

    has_free: Final[bool]

    def __new__(cls, fd: int, memory: mmap) -> Self: ...
    def add_free(self, first: int, end: int) -> None:
        """These slots are free, too: the next ones behind those added before."""
    def enter(
        self,
        token: int,
        deadline_ns: int,
        branch: str,
        name: str,
        ordinal: int,
        attempt: int,
        is_transaction: bool = False,
        digest: bytes | None = None,
        execution: str = "",
        epoch: int = 0,
        durable_seq: int = 0,
    ) -> int:
        """A step begins; `deadline_ns` is an instant of `boottime_ns`, 0 for none. Returns its slot, -1 without room.

        Any thread may call it. Calls the subclass's `grow() -> bool` where no slot is free.
        """
    def end(self, slot: int) -> None:
        """The slot's step ended: nobody ends it any more, and it stands there until its outcome is durable."""
    def leave(self, slot: int) -> None:
        """The slot is free."""

@final
class Watchdog:
    """Timers and the watch over workers' pages, on a native thread that no Python code can hold up.

    Nothing runs before `start`. After a fork every method raises RuntimeError: make a new one in the child.
    """

    SILENT: Final[int]
    """A worker's beat has not moved for `silent_after_ns`; the key is the worker."""
    STALLED: Final[int]
    """A worker's hub has been busy with one thing for `stalled_after_ns`; the key is the worker."""
    OVERDUE: Final[int]
    """A step is past its deadline; `worker, slot = divmod(key, MAX_SLOTS_PER_WORKER)`, and its token is given."""
    MAX_SLOTS_PER_WORKER: Final[int]

    def __init__(self) -> None: ...
    def start(self) -> None:
        """Start the thread, once."""
    def close(self) -> None:
        """Stop the thread and wait for it."""
    def fileno(self) -> int:
        """A descriptor that is readable while `due` has something to give."""
    def arm(self, kind: int, key: int, due_ns: int) -> None:
        """Set the timer `(kind, key)` to an instant of `boottime_ns`, replacing an earlier one; kinds from 0 on."""
    def disarm(self, kind: int, key: int) -> None: ...
    def due(self) -> list[tuple[int, int, int, int, int]]:
        """Take all that came due: `(kind, key, token, due_ns, fired_ns)`; timers have token 0.

        SILENT, STALLED and OVERDUE are each reported once, until their condition ends, OVERDUE once per deadline.
        """
    def watch(self, worker: int, page_fd: int, silent_after_ns: int, stalled_after_ns: int) -> None:
        """Watch a worker's page, 25 times a second. The descriptor is duplicated."""
    def unwatch(self, worker: int) -> None:
        """Stop watching, and forget what was reported of the worker and not taken yet."""
    def lateness(self) -> tuple[int, int, int]:
        """Of the timers fired so far: `(count, largest lateness in ns, total lateness in ns)`."""

def listen(path: str) -> int:
    """A new descriptor that is readable whenever the file was closed by someone who had opened it for reading only."""

@final
class Lifeline:
    """In a worker: a native thread that beats into its page every 50 ms and, when the other end of `lifeline_fd`
    closes, kills its own process group, GIL or no GIL. It runs until the process ends."""

    def __init__(self, lifeline_fd: int, page_fd: int) -> None: ...

def set_child_subreaper() -> None:
    """Orphaned descendants of this process become its children."""

def set_parent_death_signal(signal: int) -> None:
    """The signal this process gets when the thread that forked it ends; 0 for none."""
