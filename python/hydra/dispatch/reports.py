"""What long steps of this node said of how far they are: the last word of each waits for the next beat. Pure."""

from __future__ import annotations

import msgspec

from hydra.execution import Progress

MAX_REPORTS = 1_000  # with one beat; the others wait for the next


class Reports:
    def __init__(self) -> None:
        self._waiting: dict[tuple[str, str, str, int], Progress] = {}
        self._sent: list[Progress] = []

    def add(self, execution_id: str, progress: Progress) -> None:
        key = (execution_id, progress.branch, progress.name, progress.ordinal)
        self._waiting[key] = msgspec.structs.replace(progress, execution_id=execution_id)

    def send(self) -> list[Progress]:
        self._sent = list(self._waiting.values())[:MAX_REPORTS]
        return self._sent

    def written(self) -> None:
        """What was said since the beat left waits on."""
        for progress in self._sent:
            key = (progress.execution_id, progress.branch, progress.name, progress.ordinal)
            if self._waiting.get(key) is progress:
                del self._waiting[key]
        self._sent = []
