"""Executions that stay in memory while they wait for a message, and when to ask the database for theirs. Pure.

Whoever puts a message rings or notifies, as for work that is due: so a hint is a reason to ask, and so is a commit of
this node's own that may have told a parent of something. A beat brings the answer.
"""

from __future__ import annotations

from hydra.dispatch.owned import OwnedExecution
from hydra.dispatch.slots import NEVER_NS
from hydra.execution import Message

PAUSE_NS = 20_000_000  # between two beats that hints asked for


class Listeners:
    def __init__(self) -> None:
        self._owned: dict[str, OwnedExecution] = {}
        self._is_wanted = False
        self._not_before_ns = 0

    def __len__(self) -> int:
        return len(self._owned)

    def __contains__(self, owned: OwnedExecution) -> bool:
        return self._owned.get(owned.id) is owned

    def add(self, owned: OwnedExecution) -> None:
        """It listens, or has read what it was brought and wants more."""
        self._owned[owned.id] = owned
        self._is_wanted = True

    def forget(self, owned: OwnedExecution) -> None:
        if owned in self:
            del self._owned[owned.id]

    def clear(self) -> None:
        self._owned.clear()

    def hint(self) -> None:
        """Something may have come for one of them."""
        self._is_wanted = bool(self._owned)

    def due_ns(self) -> int:
        return self._not_before_ns if self._is_wanted else NEVER_NS

    def ask(self, now_ns: int) -> dict[str, int]:
        """The last number that each of them has."""
        self._is_wanted = False
        if self._owned:
            self._not_before_ns = now_ns + PAUSE_NS
        return {id: owned.message_number for id, owned in self._owned.items()}

    def hear(self, messages: list[Message], unread: list[str]) -> list[tuple[OwnedExecution, list[Message], bool]]:
        """For each that is brought something: what is new to it, and whether there is more."""
        pages: dict[str, list[Message]] = {}
        for message in messages:
            owned = self._owned.get(message.execution_id)
            if owned is not None and owned.take(message):
                pages.setdefault(owned.id, []).append(message)
        return [(self._owned[id], page, id in unread) for id, page in pages.items()]
