"""Where a log line was written, on the line: execution, workflow, step … For your own configuration of logging.

    "filters": {"hydra": {"()": "hydra.logging.Filter"}}          in `logging.config.dictConfig`, on each handler
    structlog.configure(processors=[hydra.logging.add_context, …])

`hydra start` puts the filter on every handler there is in its workers. A body is replayed many times: what it says is
told once, when it comes to that place for the first time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, MutableMapping
from typing import Any

from hydra.definitions import UnknownCaller, caller
from hydra.observability.logs import CONTEXT

__all__ = ["Filter", "add_context", "log_context"]


class OwnProcess:
    """Whose process this is; a worker's, once it has begun."""

    node = ""
    worker: int | None = None
    find_node: Callable[[], str] | None = None  # of a supervisor, whose node changes its id with each registration


def log_context() -> dict[str, Any]:
    """Where the calling code runs, as fields for a log line; empty in a program that is no part of an execution.

        log.info("charged", extra=hydra.log_context())

    They are `execution_id`, `workflow`, `key`, `step`, `attempt` (the step's in a step, the execution's in a body),
    `node` and `worker`. Those without a value are left out.
    """
    here = caller.get()
    found: dict[str, Any] = {}
    if here is not None and type(here) is not UnknownCaller:
        current = here.current()  # type: ignore[attr-defined]  # each that is inside an execution has it
        found = {
            "execution_id": current.id,
            "workflow": current.workflow,
            "key": current.key,
            "step": current.step,
            "attempt": current.attempt,
            "node": current.node,
            "worker": current.worker,
        }
    if not found.get("node"):
        find_node = OwnProcess.find_node
        found["node"] = OwnProcess.node if find_node is None else find_node()
        found["worker"] = OwnProcess.worker
    return {name: value for name, value in found.items() if value not in (None, "")}


def is_replaying() -> bool:
    """Whether the calling code is a body that only goes again through what it did before."""
    here = caller.get()
    if not getattr(here, "is_body", False) or type(here) is UnknownCaller:
        return False
    return bool(here.execution.is_replaying)  # type: ignore[union-attr]  # a `Branch`


class Filter(logging.Filter):
    """Put it on handlers: it gives each line the fields of `hydra.log_context()`, and keeps back what a body only
    says again in a replay.

    A field that is not known is None, so that any format may name it. What a line has from its own `extra` stays.
    Lines of hydra's own loggers are never kept back.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        own = vars(record)
        try:
            if is_replaying() and record.name.partition(".")[0] != "hydra":
                return False
            found = log_context()
        except Exception:  # of an execution that is over, say: nobody shall lose a line for want of its fields
            found = {}
        for name in CONTEXT:
            if own.get(name) is None:
                own[name] = found.get(name)
        return True


def add_context(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A processor of structlog's that does what `Filter` does: put it among the first of `processors`."""
    found: dict[str, Any] = {}
    try:
        is_again = is_replaying()
        found = log_context()
    except Exception:  # as above
        is_again = False
    if is_again:
        import structlog

        raise structlog.DropEvent
    for name, value in found.items():
        event.setdefault(name, value)
    return event
