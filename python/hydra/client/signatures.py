"""The database's copies of workflows' signatures, for programs that have not the code. Kept for a moment.

A copy that is old refuses nothing, and knows of no workflow that there is none: before it does, it is read again.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from hydra import attributes, codec
from hydra.clock import boottime_ns
from hydra.definitions import BoundWorkflow
from hydra.errors import PayloadError
from hydra.limit_calls import keys_of_specs
from hydra.limits import LIMITS, LimitSpec
from hydra.stores.workflow_info import WorkflowInfo
from hydra.workflow import registry

AGE_NS = 10_000_000_000  # how old a copy may be that admits arguments; their worker checks them again


class KnownSignatures:
    def __init__(self, read: Callable[[], Sequence[WorkflowInfo]]) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._signatures: dict[str, dict[str, Any]] = {}
        self._read_at_ns: int | None = None

    def check(self, bounds: Sequence[BoundWorkflow[Any]]) -> None:
        """PayloadError, in one sentence, where the arguments of one whose code is not here do not fit."""
        calls = [(bound, codec.outline(list(bound.args)), codec.outline(bound.kwargs)) for bound in bounds]
        if not calls:
            return
        with self._lock:
            is_old = self._read_at_ns is None or boottime_ns() - self._read_at_ns > AGE_NS
            is_unknown = any(bound.name not in self._signatures for bound in bounds)
            if is_old or is_unknown or any(self._problem(*call) for call in calls):
                self._refresh()
            for call in calls:
                if problem := self._problem(*call):
                    raise PayloadError(problem)

    def limit_keys(self, bound: BoundWorkflow[Any], tags: dict[str, str] | None) -> tuple[str, ...] | None:
        """Where a call takes its places, after `check`; None where it has no limits, as far as is known here."""
        if bound.workflow is not None:
            return bound.workflow.limit_keys(bound.args, bound.kwargs, tags) if bound.workflow.limits else None
        signature = self._signatures.get(bound.name) or {}
        if not (specs := signature.get(LIMITS)):
            return None
        names = [each["name"] for each in signature["parameters"]]
        return keys_of_specs(msgspec.convert(specs, list[LimitSpec]), bound.name, names, bound.args, bound.kwargs, tags)

    def attributes(self, bound: BoundWorkflow[Any]) -> dict[str, bytes] | None:
        """What a call is found by at first, after `check`; None where nothing is declared, as far as is known here."""
        if bound.workflow is not None:
            return bound.workflow.attributes(bound.args, bound.kwargs) if bound.workflow.search else None
        signature = self._signatures.get(bound.name) or {}
        if not signature.get(attributes.SEARCH):
            return None
        return attributes.keys_of_registered(signature, bound.name, bound.args, bound.kwargs)

    def search(self, workflow: str) -> dict[str, type]:
        """The attributes that a workflow declares: by its code, where that is here, or as a node has registered it."""
        if (known := registry.workflows.get(workflow)) is not None:
            return known.search
        with self._lock:
            is_old = self._read_at_ns is None or boottime_ns() - self._read_at_ns > AGE_NS
            if is_old or workflow not in self._signatures:
                self._refresh()
            found = (self._signatures.get(workflow) or {}).get(attributes.SEARCH, {})
        return {name: attributes.TYPES[kind] for name, kind in found.items() if kind in attributes.TYPES}

    def _problem(self, bound: BoundWorkflow[Any], args: list[Any], kwargs: dict[str, Any]) -> str | None:
        signature = self._signatures.get(bound.name)
        if signature is None:
            return None
        try:
            codec.check_call_against(signature, args, kwargs)
        except PayloadError as error:
            return f"the arguments do not fit workflow `{bound.name}`: {error}"
        return None

    def _refresh(self) -> None:
        read = ((info.name, _read_signature(info)) for info in self._read())
        self._signatures = {name: signature for name, signature in read if signature is not None}
        self._read_at_ns = boottime_ns()


def _read_signature(info: WorkflowInfo) -> dict[str, Any] | None:
    """None for one that cannot be read, so that its workers check the arguments; the others' stay known."""
    try:
        signature = json.loads(info.signature)
    except ValueError:
        return None
    return signature if isinstance(signature, dict) and isinstance(signature.get("parameters"), list) else None
