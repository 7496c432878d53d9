"""Who ordered what: lines beside what verbs do, in one transaction with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from hydra.stores.acts import Act, ActFilter
from hydra.stores.approvals import Approval, Decision

T = TypeVar("T")


class ActVerbs(Protocol):
    """A part of `hydra.stores.store.Store`, whose rules hold here, too."""

    def together(self, work: Callable[[], T]) -> T:
        """Verbs that `work` calls, in one transaction; all of it again where the server rolled it back."""
        ...

    def recent_acts(self, filter: ActFilter) -> list[Act]:
        """What persons have done in this namespace, newest first; of what was purged only deletions are left."""
        ...

    def add_acts(self, lines: Sequence[Act]) -> None:
        """Write these; one that is there stays. For `together` with the verb whose effect they tell of."""
        ...

    def add_acts_in(self, connection: object, lines: Sequence[Act]) -> None:
        """`add_acts` in the caller's own open transaction."""
        ...

    def approvals(self) -> list[Approval]:
        """What was asked for and is not forgotten, newest first."""
        ...

    def add_approval(self, approval: Approval) -> None:
        """Write this; one that is there stays."""
        ...

    def decide_approval(self, decision: Decision) -> bool:
        """Approve or refuse it, if it is open and its time not over; whether it was."""
        ...

    def forget_approvals(self, before: int, rule: str, decided: str, now: int) -> None:
        """Those whose time was over by `before`, the rules before `rule`, and up to the id `decided` those that do not
        wait any more."""
        ...
