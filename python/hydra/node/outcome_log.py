"""One line in the log for each execution that fails or parks: which, where, of what error, with its traceback.

From the process that knows the database's answer, so that an end is told once and no end is missed: what worker code
logs, and whether there was a worker at all, makes no difference.
"""

from __future__ import annotations

import logging

from hydra import codec
from hydra.client.plain_json import writable
from hydra.dispatch.events import ExecutionEnded
from hydra.errors import HydraError
from hydra.execution import TIMED_OUT, Ending, Status
from hydra.records.ends import failure_line
from hydra.stores.store import Store

log = logging.getLogger("hydra.executions")


def tell_end(ended: ExecutionEnded) -> None:
    """What this node has written of an execution of its own."""
    end = ended.end
    reason, error, traceback_text = _explained(end.kind, end.payload)
    tell(ended.id, ended.workflow, ended.key, end.kind, reason, end.cause or error, ended.step, traceback_text)


def tell_found(store: Store, ids: list[str]) -> None:
    """What ended without a worker: a time-out of what sleeps, a park after a failover."""
    for snapshot in store.get(ids):
        if snapshot is not None:
            error = TIMED_OUT if snapshot.status is Status.FAILED else ""
            tell(snapshot.id, snapshot.workflow, snapshot.key, snapshot.status, snapshot.reason, error)


def tell(
    id: str,
    workflow: str,
    key: str | None,
    status: str,
    reason: str,
    error: str = "",
    step: str = "",
    traceback_text: str = "",
) -> None:
    """`error` is the class of what was raised, or hydra's word for what ended it: `timeout`, `poison`, `diverged` …"""
    known = f"`{id}` (workflow `{workflow}`{f', key `{key}`' if key else ''})"
    where = f" in step `{step}`" if step else ""
    message = f"execution {known} {'is parked' if status == Ending.PARKED else 'failed'}{where}: {reason}"
    message, reason, traceback_text = writable(message), writable(reason), writable(traceback_text)
    fields = {"execution_id": id, "workflow": workflow, "key": key, "step": step or None, "reason": reason}
    fields |= {"status": str(status), "error": error or None}
    record = log.makeRecord(log.name, logging.ERROR, __file__, 0, message, (), None, extra=fields)
    record.exc_text = traceback_text.rstrip("\n") or None
    if log.isEnabledFor(logging.ERROR):
        log.handle(record)


def _explained(kind: str, payload: bytes | None) -> tuple[str, str, str]:
    """The reason in one line, the class of what was raised and its traceback, where there are any."""
    try:
        if payload is None:
            return "no reason is known", "", ""
        if kind == Ending.PARKED:
            return str(codec.decode(payload)), "", ""
        failure = codec.decode_failure(payload)
        return failure_line(failure), failure.exception_type, failure.traceback_text
    except HydraError as error:  # what was written is written, whether this can be read or not
        return f"its reason cannot be read: {error}", "", ""
