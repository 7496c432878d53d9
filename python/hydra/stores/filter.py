"""Which executions a list has."""

from __future__ import annotations

import msgspec

from hydra.execution import Snapshot, Status


class Filter(msgspec.Struct, frozen=True):
    """Which executions `list` returns, newest first; `before` is the last id of the previous page."""

    status: Status | None = None
    workflow: str | None = None
    key: str | None = None
    tags: dict[str, str] | None = None
    limit: int = 100
    before: str | None = None

    def admits(self, found: Snapshot) -> bool:
        """Whether that execution, which has the key and is of the workflow, is in the list."""
        has_tags = (self.tags or {}).items() <= found.tags.items()
        return has_tags and self.status in (None, found.status) and (self.before is None or found.id < self.before)
