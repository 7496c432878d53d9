"""What a call of a workflow is submitted with beside its arguments: time-outs, the keys of its limits, attributes.

Worked out once, at the submission, whoever submits: `Workflow.terms` where the code is, `registered_terms` where only
what a node has registered of it is known. Reads no database.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from hydra import attributes
from hydra.limit_calls import keys_of_specs
from hydra.limits import LIMITS, LimitSpec

TIMEOUT, DEADLINE = "timeout_us", "deadline_us"  # of what a node registers of a workflow's signature


class CallTerms(NamedTuple):
    timeout_us: int | None = None  # from when it is due
    deadline_us: int | None = None  # from when it is submitted
    limit_keys: tuple[str, ...] | None = None  # where it takes its places; None: it has no limits
    attributes: dict[str, bytes] | None = None  # what it is found by at first; None: nothing is declared

    @property
    def limit_us(self) -> int | None:
        """How long one may take that is due as soon as it is submitted, as children and ticks are."""
        return min((limit for limit in (self.timeout_us, self.deadline_us) if limit is not None), default=None)


def registered_terms(
    registered: Mapping[str, Any],
    workflow: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    tags: Mapping[str, str] | None,
) -> CallTerms:
    """Of a workflow whose code is elsewhere. ConfigError where only the code can say a key, PayloadError where an
    argument is none. What was never registered has none of it."""
    keys = found = None
    if specs := registered.get(LIMITS):
        limits = msgspec.convert(specs, list[LimitSpec])
        keys = keys_of_specs(limits, workflow, registered["parameters"], args, kwargs, tags)
    if registered.get(attributes.SEARCH):
        found = attributes.keys_of_registered(registered, workflow, args, kwargs)
    return CallTerms(registered.get(TIMEOUT), registered.get(DEADLINE), keys, found)
