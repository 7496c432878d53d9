"""What a store knows of limits, and what an operator changes of them."""

from __future__ import annotations

from typing import Protocol

from hydra.stores.key_pauses import KeyPause
from hydra.stores.limit_states import KeyUse, LimitState, LimitUse, Weight


class LimitVerbs(Protocol):
    """A part of `hydra.stores.store.Store`, whose rules hold here, too."""

    def limits(self) -> list[LimitState]:
        """Every limit that a node has registered."""
        ...

    def set_limit(self, kind: str, name: str, numbers: tuple[int | None, int | None, int | None], now: int) -> bool:
        """An operator's count, span and burst, in place of the code's; None: the code's. False where there is none of
        that name."""
        ...

    def waiting_count(self, key: str, limit: int) -> int:
        """How many executions wait at a key of a limit; counted no further than `limit`."""
        ...

    def weights(self, name: str) -> list[Weight]:
        """Of every value of a Fair that has one by the code, or by an operator."""
        ...

    def set_weight(self, key: str, weight: int | None, now: int) -> None:
        """An operator's weight of a key of a Fair, in thousandths; None: the code's holds again."""
        ...

    def limit_use(self, kind: str, name: str, keys: int, waiting: int) -> list[LimitUse]:
        """The first so many keys of a limit; what waits at each is counted so far."""
        ...

    def key_use(self, key: str, holders: int) -> KeyUse:
        """One key of a limit, with at most so many of those that hold a place and do not run, and one that runs."""
        ...

    def key_pauses(self, first: str, last: str, limit: int) -> list[KeyPause]:
        """Keys from the first to before the last that are paused, those whose time is just over included."""
        ...

    def pause_key(self, pause: KeyPause) -> None:
        """A person's order, which takes the place of what there is. Who may run already goes on."""
        ...

    def resume_key(self, key: str) -> bool:
        """Whether it was paused, or cooled down."""
        ...
