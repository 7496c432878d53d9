"""An engine and a worker in the test's own thread: the real dispatcher, hub and store, under a clock the test moves.

    submit ─► database ─► run_until_idle: dispatcher ► store ► hub ► steps, all on the calling thread ─► result
                             ▲
    advance ─────────────────┘ from timer to timer

Only async bodies and steps leave the thread: they run on the hub's event loop, which is waited for.
"""

from __future__ import annotations

import tempfile
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self, TypeVar

from hydra.body.replay import Key
from hydra.client.engine import Engine
from hydra.client.handle import Handle
from hydra.config import DEFAULT_NAMESPACE
from hydra.debounce import Debounce
from hydra.definitions import BoundWorkflow
from hydra.execution import FINAL, KeyReuse
from hydra.stores import open_store
from hydra.stores.store import Store
from hydra.testing.clock import HarnessClock, NodeClock, microseconds_until
from hydra.testing.harness_engine import HarnessEngine
from hydra.testing.harness_node import HarnessNode, Watch

R = TypeVar("R")


class Harness:
    """An engine and a worker in the test's own thread, under a clock that the test moves. A context manager.

        with Harness() as h:
            handle = h.submit(trial.bind("ann"))
            h.advance(timedelta(days=30))
            assert handle.result() == "reminded ann"

    A second harness on the same `url` and `clock` is what a restarted worker would be.

    Args:
        url: of a database; None: a new SQLite file, gone with the harness.
        namespace: a tenant of the database.
        clock: of another harness, to share it.
    """

    def __init__(
        self, url: str | None = None, namespace: str = DEFAULT_NAMESPACE, *, clock: HarnessClock | None = None
    ) -> None:
        self._directory = None if url else tempfile.TemporaryDirectory(prefix="hydra-harness-")
        self.url = url or f"sqlite:///{self._directory and self._directory.name}/hydra.db"
        self.namespace = namespace
        self.clock = clock or HarnessClock()
        self._node_clock = NodeClock(self.clock)
        self.engine: Engine = HarnessEngine(self.url, namespace, self.clock, self.run_until_idle)
        self._store = self._open_store()
        self._store.open()
        self._watch: Watch | None = None
        self.given_up: set[tuple[str, str, Key]] = set()
        self._node = self._new_node()

    # what tests use

    def submit(
        self,
        bound: BoundWorkflow[R],
        key: str | None = None,
        delay: timedelta | float | None = None,
        run_at: datetime | None = None,
        priority: int = 0,
        tags: dict[str, str] | None = None,
        id: str | None = None,
        connection: object = None,
        *,
        key_reuse: str | timedelta | float = KeyReuse.FIRST,
        debounce: Debounce | None = None,
    ) -> Handle[R]:
        """As `Engine.submit`; nothing runs before `run_until_idle`, `advance` or the handle's `result`."""
        given = (bound, key, delay, run_at, priority, tags, id, connection)
        return self.engine.submit(*given, key_reuse=key_reuse, debounce=debounce)

    def run_until_idle(self) -> None:
        """Everything that can happen at this instant."""
        self._node.run_until_idle()

    def advance(self, duration: timedelta | float | datetime) -> None:
        """Move the clock by a duration or to an instant; each timer on the way fires at its own time."""
        end = self.clock.now() + microseconds_until(duration, self.clock.now())
        while self._step(end):
            pass
        self.clock.move_to(end)
        self.run_until_idle()

    def run_until_done(self, handle: Handle[R], limit: timedelta = timedelta(days=366 * 100)) -> R:
        """Move the clock from timer to timer until the execution has ended; its result."""
        end = self.clock.now() + limit // timedelta(microseconds=1)
        self.run_until_idle()
        while handle.status() not in FINAL and self._step(end):
            pass
        return handle.result()

    def restart(self) -> None:
        """Hand back what runs and start a new node, as a deploy would."""
        self._node.leave()
        self._node = self._new_node()

    def crash(self) -> None:
        """Lose the node with all it has in memory, as kill -9 would, and start another."""
        self._node.abandon()
        self._node = self._new_node()

    def close(self) -> None:
        """Hand back what runs, and let go of the database; a file of its own is deleted."""
        self._node.leave()
        self._store.close()
        self.engine.close()
        if self._directory is not None:
            self._directory.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # what crash_matrix uses

    def watch(self, watch: Watch | None) -> None:
        """Have every boundary told: before and after each step, and each transaction with records."""
        self._watch = watch

    def reached(self, boundary: str) -> None:
        """The node says where it is; `crash_matrix` listens."""
        if self._watch is not None:
            self._watch(boundary)

    def note_given_up(self, execution_id: str, line: str, key: Key) -> None:
        """A body waits no more for what this line of its calls asked for."""
        self.given_up.add((execution_id, line, key))

    def _step(self, end: int) -> bool:
        """To the next timer that is due by `end`, with what follows; False when there is none."""
        self.run_until_idle()
        at = self._node.next_timer_at()
        if at is None or at > end:
            return False
        self.clock.move_to(at)
        return True

    def _new_node(self) -> HarnessNode:
        return HarnessNode(
            self._open_store, self._store, self.clock, self._node_clock, self.reached, self.note_given_up
        )

    def _open_store(self) -> Store:
        return open_store(self.url, self.namespace)
