"""What `engine.worker()` gives: a worker in the caller's own process. The node that makes it stands above the client,
so `hydra` itself puts the two together."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from hydra.offload import Offload
from hydra.payload_keys import PayloadKeys


class LocalWorker(Protocol):
    """Runs executions on threads of this process between `start` and `stop`; a context manager of both."""

    def start(self) -> None:
        """Open the database and begin to take work."""
        ...

    def stop(self) -> None:
        """Finish or hand back what runs, within the drain's grace."""
        ...

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, frames: TracebackType | None
    ) -> None: ...


make: Callable[[str, str, int, tuple[str, ...], tuple[str, ...], PayloadKeys | None, Offload | None], LocalWorker]
"""`make(url, namespace, concurrency, only, labels, payload_keys, offload)`, set once by `hydra`."""
