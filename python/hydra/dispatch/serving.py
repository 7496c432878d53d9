"""Which workflows of its app a node runs: those it was told (`--only`), and only where it has all of their labels.

It is a filter on what the node registers for itself, so whatever goes by that needs to know nothing of labels: claims,
hand-overs (R27), the list of what nobody serves. Schedules fire wherever their code is, whoever runs the ticks.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

import msgspec

from hydra.errors import ConfigError
from hydra.execution import RESERVED_PREFIX
from hydra.stores.workflow_info import WorkflowInfo

PATTERN_CHARACTERS = "*?["


class Serving(msgspec.Struct, frozen=True):
    """What a node was told at its start. Without `only` it runs every workflow whose labels are among its own."""

    only: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()

    def chosen(self, workflows: Sequence[WorkflowInfo]) -> list[WorkflowInfo]:
        """All of them, each with whether this node runs it."""
        return [msgspec.structs.replace(each, is_served=self._serves(each)) for each in workflows]

    def check(self, names: Sequence[str], app: str) -> None:
        """ConfigError for a name of `only` that is not among the `app`'s; a pattern may match nothing yet."""
        for wanted in self.only:
            if wanted not in names and not is_pattern(wanted):
                known = f"it has {', '.join(f'`{name}`' for name in sorted(names))}" if names else "it has none"
                raise ConfigError(f"`only` names workflow `{wanted}`, which {app} does not define; {known}")

    def _serves(self, workflow: WorkflowInfo) -> bool:
        is_named = not self.only or workflow.name.startswith(RESERVED_PREFIX)
        has_labels = set(workflow.labels) <= set(self.labels)
        return has_labels and (is_named or any(fnmatchcase(workflow.name, pattern) for pattern in self.only))


def is_pattern(name: str) -> bool:
    return any(character in name for character in PATTERN_CHARACTERS)
