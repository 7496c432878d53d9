"""The engine of a harness: under the clock that the test moves, and whoever waits for a result drives the harness."""

from __future__ import annotations

from collections.abc import Callable

from hydra.client.engine import Engine
from hydra.client.session import EngineSession
from hydra.client.watcher import OutcomeWatcher, Wait
from hydra.errors import ResultTimeout
from hydra.execution import Status
from hydra.stores.store import Store
from hydra.testing.clock import HarnessClock


class HarnessEngine(Engine):
    """`drive` does everything that can happen at this instant."""

    def __init__(self, url: str, namespace: str, clock: HarnessClock, drive: Callable[[], None]) -> None:
        super().__init__(url, namespace)
        self._clock = clock
        self._drive = drive

    def new_session(self, store: Store) -> EngineSession:
        return HarnessSession(store, self._clock, self._drive)


class HarnessSession(EngineSession):
    def __init__(self, store: Store, clock: HarnessClock, drive: Callable[[], None]) -> None:
        super().__init__(store)
        self.watcher = HarnessWatcher(store, drive)
        self._harness_clock = clock

    def now(self) -> int:
        return self._harness_clock.now()


class HarnessWatcher(OutcomeWatcher):
    """An outcome is there as soon as nothing more can happen, or it is not there at all."""

    def __init__(self, store: Store, drive: Callable[[], None]) -> None:
        super().__init__(store)
        self._reader = store
        self._drive = drive

    def watch(self, id: str, bears_parked: bool = False) -> Wait:
        self._drive()
        outcome = self._reader.outcomes([id])[0]
        if outcome is None or (bears_parked and outcome[0] is Status.PARKED):
            [snapshot] = self._reader.get([id])
            status = "unknown" if snapshot is None else snapshot.status
            sentence = f"execution `{id}` is {status} and nothing is left to run; advance the clock, or signal it"
            raise ResultTimeout(sentence)
        return super().watch(id, bears_parked)

    def watch_within(self, id: str, seconds: float, bears_parked: bool = False) -> Wait:
        """In the caller's own thread, which is the one that drives the harness; there is nothing to wait for."""
        return self.watch(id, bears_parked)
