"""A workflow as a node registers it, and as programs without its code see it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hydra.limit_keys import OF_LIMIT, OF_WORKFLOW
from hydra.limits import LimitSpec
from hydra.schedules import ScheduleSpec


class WorkflowInfo(msgspec.Struct, frozen=True):
    """A registered workflow as programs without its code see it: `signature` is codec.describe_signature's JSON."""

    name: str
    signature: bytes
    timeout_us: int | None
    code_version: str
    schedule: ScheduleSpec | None = None  # as its code says; `workflows` leaves it out, `schedules` has it
    app: str = ""  # as `ScheduleSpec.app`; `workflows` leaves it out
    labels: tuple[str, ...] = ()  # a node runs it only if it has all of them
    is_served: bool = True  # by the node that registers it; `workflows` leaves it out
    limits: list[LimitSpec] = []  # `workflows` leaves it out, the signature and `limits` have it
    retention: dict[str, int | None] = {}  # as of `config.retention_of`; `workflows` leaves it out
    bounds: list[LimitSpec] = []  # how many may be pending; `workflows` leaves it out, `limits` has it

    def limits_and_bounds(self) -> list[LimitSpec]:
        return [*self.limits, *self.bounds]


def unbounded(workflows: Sequence[WorkflowInfo]) -> list[str]:
    """Of what may be pending any number, by the code of these workflows."""
    named = {OF_WORKFLOW + each.name for each in workflows}
    named |= {OF_LIMIT + limit.name for each in workflows for limit in each.limits}
    return sorted(named - {bound.name for each in workflows for bound in each.bounds})
