"""Code that changed while executions were under way: which version one began under, and which of its changes it has.

Both are records: made where the code comes to them first, never where a replay of older records does.
"""

from __future__ import annotations

from typing import Any

from hydra import codec
from hydra.body.endings import Difference
from hydra.body.protocol import RunningExecution
from hydra.body.record_log import Timing
from hydra.body.replay import PATCHED_PREFIX, History
from hydra.body.source_places import place_of_function
from hydra.definitions import Workflow
from hydra.execution import DIVERGED, RESERVED_PREFIX, Claimed, End, Ending, RecordKind

VALUE = str(RecordKind.VALUE)
VERSION = f"{RESERVED_PREFIX}version"  # the first record of an execution whose workflow declares a version
VERSION_KEY = ("", VERSION, 0)


def begin(execution: RunningExecution) -> tuple[str | None, Difference | None]:
    """The version it began under, found or recorded; a difference where the code does not declare that one."""
    claimed, workflow = execution.claimed, execution.workflow
    if execution.history is None:
        version = workflow.versions[0]
        now = execution.host.now()
        execution.log.append(VALUE, VERSION_KEY, b"", codec.encode(version), Timing(1, now, now))
        execution.log.hand_out()  # guard G5: no step starts before its version is durable
        return version, None
    version = recorded_version(claimed)
    execution.history.ask(VERSION_KEY)
    if version in workflow.versions:
        return version, None
    return version, Difference("", *told_versions(workflow, version), place_of_function(workflow.function))


def recorded_version(claimed: Claimed) -> Any:
    """What it began under; None where the workflow declared no version then."""
    first = claimed.records[0] if claimed.records else None
    if first is None or first.name != VERSION or first.payload is None:
        return None
    return codec.decode(first.payload)


def undeclared(claimed: Claimed, workflow: Workflow[..., Any], version: str | None) -> End:
    declared, began = told_versions(workflow, version)
    message = (
        f"execution `{claimed.id}` of workflow `{claimed.workflow}` began {began}, and this code declares {declared}; "
        f"run the code it began with, or declare that version, too, then resume it"
    )
    return End(Ending.PARKED, codec.encode(message), wake_seq=claimed.wake_seq, cause=DIVERGED)


def told_versions(workflow: Workflow[..., Any], version: str | None) -> tuple[str, str]:
    """What the code declares, and what the execution began under, in words."""
    declared = ", ".join("none (`None`)" if each is None else f"`{each}`" for each in workflow.versions) or "no version"
    return declared, "without a version" if version is None else f"under version `{version}`"


def is_patched(history: History | None, branch: str, name: str) -> bool | None:
    """What the records say of a change: True or False; None where the code comes to it first, and it is to be recorded.

    False wherever records are left that were made past this place without it, tries and waits included: an execution
    that has begun on the old path stays on it.
    """
    if history is None:
        return None
    if history.value_of(("", PATCHED_PREFIX + name, 0)) is not None:
        return True
    return False if history.has_left(branch) else None
