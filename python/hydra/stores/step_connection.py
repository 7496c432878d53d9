"""The connection that a `@hydra.transaction` step works on, whatever its database."""

from __future__ import annotations

from enum import Enum
from typing import Any, Protocol

from hydra.execution import CommitAnswer, ExecutionCommit, NodeRef


class StepConnection(Protocol):
    """A connection of its own for `@hydra.transaction` steps, one at a time (R21). Errors are the driver's own."""

    @property
    def connection(self) -> Any:
        """The driver's connection, as the user's function gets it."""
        ...

    @property
    def is_usable(self) -> bool:
        """Whether another transaction may begin on it."""
        ...

    def begin(self) -> None: ...
    def commit(self, node: NodeRef, item: ExecutionCommit, now: int) -> CommitAnswer:
        """The fence, the record, COMMIT. REFUSED, and rolled back, where `Store.commit` would say so or the record
        exists; LeaseLost where the fence refuses; StoreUnavailable (`outcome="unknown"`) where COMMIT got no answer."""
        ...

    def roll_back(self) -> None: ...
    def passing(self, error: BaseException) -> Passing | None:
        """Why the same function may well succeed when it is run again, as far as this connection is at fault. None for
        what the function did itself, such as a read-only transaction, and for errors of other connections."""
        ...

    def interrupt(self) -> None:
        """End the statement under way, from any thread; what comes of it the transaction's own thread hears. Never
        raises, and may be in vain; whoever called it does not use the connection for another transaction."""
        ...

    def close(self) -> None: ...


class Passing(Enum):
    """What befell a transaction that another try may not meet."""

    CONTENDED = "it lost a lock"
    LOST = "its connection was lost"
    CLOSED = "the database takes no writes at the moment"
