"""Which executions a list has."""

from __future__ import annotations

import msgspec

from hydra.execution import Snapshot, Status
from hydra.sought import Sought


class Filter(msgspec.Struct, frozen=True):
    """Which executions `list` returns, newest first or oldest first, by their ids.

    Going down, `before` is the last id of the page before; going up, `after` is. `since` and `until` are about when
    they were submitted: then or later, and before then. All of `tags` and `attributes` must match.
    """

    status: Status | None = None
    workflow: str | None = None
    key: str | None = None
    tags: dict[str, str] | None = None
    limit: int = 100
    before: str | None = None
    after: str | None = None
    since: int | None = None
    until: int | None = None
    is_oldest_first: bool = False
    attributes: tuple[Sought, ...] = ()

    def admits(self, found: Snapshot) -> bool:
        """Whether that execution, which has the key and is of the workflow, is in the list."""
        has_tags = (self.tags or {}).items() <= found.tags.items()
        has_attributes = all(sought.admits(found.attributes) for sought in self.attributes)
        is_between = (self.before is None or found.id < self.before) and (self.after is None or found.id > self.after)
        is_of_then = (self.since or 0) <= found.submitted_at and (self.until is None or found.submitted_at < self.until)
        return has_tags and has_attributes and self.status in (None, found.status) and is_between and is_of_then
