"""The database's copies of workflows' signatures, for programs that have not the code. Kept for a moment.

A copy that is old refuses nothing, and knows of no workflow that there is none: before it does, it is read again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from hydra import attributes, codec
from hydra.call_terms import DEADLINE, TIMEOUT, CallTerms, registered_terms
from hydra.clock import boottime_ns
from hydra.definitions import BoundWorkflow
from hydra.errors import PayloadError
from hydra.interruptions import let_out
from hydra.locks import RLock
from hydra.stores.workflow_info import WorkflowInfo
from hydra.workflow import code_of, registry

AGE_NS = 10_000_000_000  # how old a copy may be that admits arguments; their worker checks them again


class KnownSignatures:
    def __init__(self, read: Callable[[], Sequence[WorkflowInfo]]) -> None:
        self._read = read
        self._lock = RLock()  # a handler may submit, too
        self._signatures: dict[str, dict[str, Any]] = {}
        self._read_at_ns: int | None = None

    def check(self, bounds: Sequence[BoundWorkflow[Any]]) -> None:
        """PayloadError, in one sentence, where the arguments of one whose code is not here do not fit."""
        calls = [(bound, codec.outline(list(bound.args)), codec.outline(bound.kwargs)) for bound in bounds]
        if not calls:
            return
        with self._lock:
            is_unknown = any(bound.name not in self._signatures for bound in bounds)
            if self._is_old() or is_unknown or any(self._problem(*call) for call in calls):
                self._refresh()
            for call in calls:
                if problem := self._problem(*call):
                    raise PayloadError(problem)

    def terms(self, bound: BoundWorkflow[Any], tags: dict[str, str] | None) -> CallTerms:
        """What a call is submitted with beside its arguments, after `check`: by its code, where that is here, also of
        a call by name; else by what a node has registered."""
        if (code := code_of(bound)) is None:
            return registered_terms(self._signatures.get(bound.name) or {}, bound.name, bound.args, bound.kwargs, tags)
        if bound.workflow is None and code.search:
            code.fit_call(bound.args, bound.kwargs)
        return code.terms(bound.args, bound.kwargs, tags)

    def registered(self, workflow: str) -> dict[str, Any]:
        """What a node has registered of it, read again after a while; nothing where none has."""
        with self._lock:
            if self._is_old() or workflow not in self._signatures:
                self._refresh()
            return self._signatures.get(workflow) or {}

    def search(self, workflow: str) -> dict[str, type]:
        """The attributes that a workflow declares: by its code, where that is here, or as a node has registered it."""
        if (known := registry.workflows.get(workflow)) is not None:
            return known.search
        found = self.registered(workflow).get(attributes.SEARCH, {})
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

    def _is_old(self) -> bool:
        return self._read_at_ns is None or boottime_ns() - self._read_at_ns > AGE_NS

    def _refresh(self) -> None:
        read = ((info.name, _read_signature(info)) for info in self._read())
        self._signatures = {name: signature for name, signature in read if signature is not None}
        self._read_at_ns = boottime_ns()


def _read_signature(info: WorkflowInfo) -> dict[str, Any] | None:
    """None for one that cannot be read, so that its workers check the arguments; the others' stay known."""
    try:
        signature = json.loads(info.signature)
    except ValueError as error:
        let_out(error)
        return None
    if not isinstance(signature, dict) or not isinstance(signature.get("parameters"), list):
        return None
    if TIMEOUT not in signature and DEADLINE not in signature:  # of a node of an earlier version
        signature[TIMEOUT] = info.timeout_us
    return signature
