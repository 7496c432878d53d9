"""Programs by chance, each from its seed alone."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from tests.programs.bodies import EVENT_NAMES
from tests.programs.grammar import Block, Node, Part, Program

MAX_DEPTH = 3
MAX_STATEMENTS = 10  # of one part
MAX_CHILDREN = 2
CATCHES = ("A", "B", "(A, B)", "Exception", "(A, hydra.WorkflowFailed)")
ASYNC_KINDS = (
    ("act", 10),
    ("sleep", 2),
    ("event", 2),
    ("callback", 1),
    ("undo", 1),
    ("spawn", 2),
    ("branch", 1),
    ("loop", 1),
    ("attempt", 2),
    ("gather", 3),
    ("wait_tasks", 3),
    ("race", 2),
    ("as_completed", 3),
    ("wait_for", 2),
    ("timeout", 2),
    ("shield", 1),
    ("group", 2),
    ("cancel", 2),
    ("locked", 2),
    ("put", 1),
    ("get", 1),
    ("set_flag", 1),
    ("wait_flag", 1),
    ("hop", 1),
    ("nap", 1),
    ("generator", 1),
    ("fail", 1),
)
SYNC_KINDS = (
    ("act", 6),
    ("sleep", 2),
    ("event", 2),
    ("callback", 1),
    ("undo", 1),
    ("spawn", 2),
    ("branch", 1),
    ("loop", 1),
    ("attempt", 3),
    ("gather_steps", 4),
    ("map_steps", 2),
    ("first", 4),
    ("fail", 1),
)
KINDS = frozenset(kind for kind, _ in (*ASYNC_KINDS, *SYNC_KINDS))
EXTRAS = frozenset(["sync step", "outside cancel", "sync body"])  # what else can be left out
ADDED = frozenset(["first", "race"])  # kinds that programs found before do not have
LEAVES = frozenset(
    [
        "act",
        "sleep",
        "event",
        "callback",
        "undo",
        "fail",
        "gather_steps",
        "map_steps",
        "first",
        "put",
        "get",
        "set_flag",
        "wait_flag",
        "hop",
        "nap",
    ]
)


class Generator:
    """Without the kinds in `without`: what the code under test cannot do yet, or a mutation is not about."""

    def __init__(self, seed: int, without: frozenset[str] = frozenset()) -> None:
        self._random = random.Random(seed)
        self._without = without
        self._site_count = 0
        self._left_count = 0
        self._locks: list[str] = []
        self._is_main = False  # the part that is being made
        self._guard_count = 0  # blocks round the place, whose failures somebody looks at
        self._parts: list[Part] = []

    def program(self) -> Program:
        chance = self._random.random
        child_count = self._random.randint(0, MAX_CHILDREN) if chance() < 0.6 else 0
        self._parts = []
        for _ in range(child_count):  # each may begin those made before it
            self._parts.insert(0, self._part(self._is_async(0.6), self._random.randint(1, 4), 1))
        self._is_main = True
        main = self._part(self._is_async(0.75), self._random.randint(4, MAX_STATEMENTS), MAX_DEPTH)
        parts = (main, *self._parts)
        outside = [(self._seconds(), self._random.choice(EVENT_NAMES), f"m{number}") for number in range(3)]
        is_cancelled = "outside cancel" not in self._without and chance() < 0.1
        if is_cancelled:
            outside.append((self._seconds(), "cancel", ""))
        return Program(parts, tuple(sorted(outside)), is_cancelled)

    def _is_async(self, share: float) -> bool:
        return self._random.random() < share or "sync body" in self._without

    def _part(self, is_async: bool, statement_count: int, depth: int) -> Part:
        self._left_count = statement_count
        self._kinds = ASYNC_KINDS if is_async else SYNC_KINDS
        first = self._node(is_async, depth, "act")  # a body that takes no time ends when it begins
        block = [first]
        while self._left_count > 0:
            block.append(self._node(is_async, depth))
        return Part(is_async, tuple(block))

    def _block(self, is_async: bool, depth: int, most: int = 3) -> Block:
        count = self._random.randint(1, most)
        return tuple(self._node(is_async, depth - 1) for _ in range(count))

    def _node(self, is_async: bool, depth: int, kind: str | None = None) -> Node:
        self._site_count += 1
        self._left_count -= 1
        site = f"s{self._site_count}"
        if kind is None:
            kinds = [
                (kind, weight)
                for kind, weight in self._kinds
                if kind not in self._without
                and (kind in LEAVES or (depth > 0 and self._left_count > 0))
                and (kind != "fail" or self._guard_count or self._left_count == 0)
            ]
            kind = self._random.choices([kind for kind, _ in kinds], [weight for _, weight in kinds])[0]
            if kind == "spawn" and not self._parts:
                kind = "act"
        make: Callable[[str, bool, int], Node] = getattr(self, f"_{kind}", self._simple(kind))
        return make(site, is_async, depth)

    def _simple(self, kind: str) -> Callable[[str, bool, int], Node]:
        return lambda site, is_async, depth: Node(kind, site)

    def _seconds(self) -> float:
        """No two sums of these are alike, so nothing happens at the same instant by accident."""
        scale = self._random.choice((0.3, 0.3, 0.3, 3.0, 3.0, 50.0))
        return round(self._random.uniform(0.01, 1.0) * scale, 6)

    def _fails(self) -> str | None:
        final = 3 if self._guard_count else 0.1
        weights = (14, final, final, 1, 1, final / 3)
        return self._random.choices((None, "A", "B", "flaky 1", "flaky 2", "flaky 3"), weights)[0]

    def _options(self, **options: Any) -> dict[str, Any]:
        return {name: value for name, value in options.items() if value is not None and value is not False}

    # leaves

    def _act(self, site: str, is_async: bool, depth: int) -> Node:
        is_sync_step = is_async and "sync step" not in self._without and self._random.random() < 0.25
        return Node("act", site, self._options(takes=self._seconds(), fails=self._fails(), is_sync=is_sync_step))

    def _sleep(self, site: str, is_async: bool, depth: int) -> Node:
        scale = self._random.choice((1, 1, 1, 1_000))  # a sleep is no step, which would be looked at each minute
        return Node("sleep", site, {"seconds": round(self._seconds() * scale, 6)})

    _nap = lambda self, site, is_async, depth: Node("nap", site, {"seconds": self._seconds()})  # noqa: E731

    def _event(self, site: str, is_async: bool, depth: int) -> Node:
        return Node("event", site, {"name": self._random.choice(EVENT_NAMES), "timeout": self._seconds()})

    def _callback(self, site: str, is_async: bool, depth: int) -> Node:
        return Node("callback", site, {"after": self._seconds(), "timeout": self._seconds()})

    def _undo(self, site: str, is_async: bool, depth: int) -> Node:
        return Node("undo", site, {"takes": self._seconds()})

    def _fail(self, site: str, is_async: bool, depth: int) -> Node:
        return Node("fail", site, {"error": self._random.choice("AB")})

    def _get(self, site: str, is_async: bool, depth: int) -> Node:
        return Node("get", site, {"seconds": self._seconds()})

    def _wait_flag(self, site: str, is_async: bool, depth: int) -> Node:
        return Node("wait_flag", site, {"seconds": self._seconds()})

    def _gather_steps(self, site: str, is_async: bool, depth: int) -> Node:
        acts = [
            (self._seconds(), self._fails(), self._random.random() < 0.5) for _ in range(self._random.randint(1, 4))
        ]
        return Node("gather_steps", site, self._options(acts=acts, concurrency=self._random.choice((None, None, 2))))

    def _map_steps(self, site: str, is_async: bool, depth: int) -> Node:
        fails = (None, None, None, "A")
        acts = [(self._seconds(), self._random.choice(fails)) for _ in range(self._random.randint(1, 5))]
        return Node("map_steps", site, {"acts": acts, "chunk": 2, "concurrency": self._random.randint(1, 2)})

    def _first(self, site: str, is_async: bool, depth: int) -> Node:
        """`hydra.wait_first`. In a child no loser keeps the execution open: when a child ends is seen by its parent."""
        count = self._random.randint(1, 3)
        entries = [self._ending_entry(), *(self._entry() for _ in range(count))]
        self._random.shuffle(entries)
        losers = "run" if self._is_main and self._random.random() < 0.3 else "stop"
        options = self._options(entries=entries, losers=losers, is_again=self._random.random() < 0.5)
        return Node("first", site, options)

    def _ending_entry(self) -> tuple[Any, ...]:
        """What comes to its end by itself."""
        match self._random.choices(("act", "sleep", "callback"), (5, 2, 1))[0]:
            case "act":
                return "act", self._seconds(), self._fails(), self._is_main and self._random.random() < 0.5
            case "sleep":
                return "sleep", round(self._seconds() * self._random.choice((1, 1, 1, 1_000)), 6)
            case _:
                return "callback", self._seconds()

    def _entry(self) -> tuple[Any, ...]:
        chance = self._random.random()
        if chance < 0.25:
            return "event", self._random.choice(EVENT_NAMES)
        children = [number - len(self._parts) for number, part in enumerate(self._parts) if not part.is_async]
        if chance < 0.5 and children:  # an async one may leave steps running, and then ends later than its body
            return "child", self._random.choice(children), False
        return self._ending_entry()

    # what has blocks

    def _race(self, site: str, is_async: bool, depth: int) -> Node:
        """What `hydra.wait_first` is in an async body: one wait for each task, one of them a timer's."""
        self._guard_count += 1
        kinds = ["sleep", *self._random.choices(("act", "sleep", "event", "callback", "nap"), (5, 2, 2, 1, 1), k=2)]
        self._random.shuffle(kinds)
        blocks = tuple((self._node(True, 0, kind),) for kind in kinds)
        self._guard_count -= 1
        options = {"when": "FIRST_COMPLETED", "timeout": None, "then": self._then()}
        return Node("wait_tasks", site, options, blocks)

    def _spawn(self, site: str, is_async: bool, depth: int) -> Node:
        number = self._random.randrange(len(self._parts))
        part = self._parts[number]
        meanwhile = self._block(is_async, depth, 1) if self._random.random() < 0.4 else ()
        # Numbers count from the end, since each part made later stands before those it may begin.
        return Node("spawn", site, {"part": number - len(self._parts), "is_async": part.is_async}, (meanwhile,))

    def _branch(self, site: str, is_async: bool, depth: int) -> Node:
        return Node("branch", site, {}, (self._block(is_async, depth, 2), self._block(is_async, depth, 2)))

    def _loop(self, site: str, is_async: bool, depth: int) -> Node:
        return Node("loop", site, {"count": self._random.randint(2, 3)}, (self._block(is_async, depth, 2),))

    def _attempt(self, site: str, is_async: bool, depth: int) -> Node:
        errors = self._random.choice(CATCHES)
        blocks = (self._guarded(is_async, depth, 3), self._block(is_async, depth, 1))
        return Node("attempt", site, {"errors": errors}, blocks)

    def _tasks(self, depth: int, least: int = 2, most: int = 3) -> tuple[Block, ...]:
        return tuple(self._guarded(True, depth, 2) for _ in range(self._random.randint(least, most)))

    def _guarded(self, is_async: bool, depth: int, most: int) -> Block:
        self._guard_count += 1
        block = self._block(is_async, depth, most)
        self._guard_count -= 1
        return block

    def _gather(self, site: str, is_async: bool, depth: int) -> Node:
        return Node("gather", site, self._options(return_exceptions=self._random.random() < 0.6), self._tasks(depth))

    def _wait_tasks(self, site: str, is_async: bool, depth: int) -> Node:
        when = self._random.choice(("FIRST_COMPLETED", "FIRST_COMPLETED", "FIRST_EXCEPTION", "ALL_COMPLETED"))
        timeout = self._seconds() if self._random.random() < 0.3 else None
        options = {"when": when, "timeout": timeout, "then": self._then()}
        return Node("wait_tasks", site, options, self._tasks(depth))

    def _then(self) -> str:
        return self._random.choice(("cancel", "gather", "cancel and gather", "leave"))

    def _as_completed(self, site: str, is_async: bool, depth: int) -> Node:
        tasks = self._tasks(depth)
        count = self._random.randint(1, len(tasks))
        return Node("as_completed", site, {"count": count, "then": self._then()}, tasks)

    def _wait_for(self, site: str, is_async: bool, depth: int) -> Node:
        return Node(
            "wait_for", site, {"seconds": self._seconds()}, (self._block(True, depth), self._block(True, depth, 1))
        )

    def _timeout(self, site: str, is_async: bool, depth: int) -> Node:
        return Node(
            "timeout", site, {"seconds": self._seconds()}, (self._block(True, depth), self._block(True, depth, 1))
        )

    def _shield(self, site: str, is_async: bool, depth: int) -> Node:
        options = {"seconds": self._seconds(), "is_awaited": self._random.random() < 0.6}
        return Node("shield", site, options, (self._block(True, depth), self._block(True, depth, 1)))

    def _group(self, site: str, is_async: bool, depth: int) -> Node:
        return Node("group", site, {}, (self._block(True, depth, 1), *self._tasks(depth, 1)))

    def _cancel(self, site: str, is_async: bool, depth: int) -> Node:
        options = {"is_awaited": self._random.random() < 0.7}
        return Node("cancel", site, options, (self._block(True, depth), self._block(True, depth, 1)))

    def _locked(self, site: str, is_async: bool, depth: int) -> Node:
        free = [lock for lock in ("lock", "semaphore") if lock not in self._locks]
        if not free:
            return self._act(site, is_async, depth)
        lock = self._random.choice(free)
        self._locks.append(lock)  # one that is taken twice is never free again
        block = self._block(is_async, depth, 2)
        self._locks.remove(lock)
        return Node("locked", site, {"lock": lock}, (block,))

    def _generator(self, site: str, is_async: bool, depth: int) -> Node:
        options = {"stops": self._random.random() < 0.4}
        return Node("generator", site, options, (*self._tasks(depth, 1, 2), self._block(True, depth, 1)))
