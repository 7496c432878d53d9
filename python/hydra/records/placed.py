"""Placed steps: a step with limits or labels runs as an execution of its own, and is recorded by the body as a step.

body: SPAWN `hydra.step:charge` ──► the step's execution ──► EVENT, its end ──► STEP or FAILURE `charge`
      STOP  `hydra.stop_step:ID`: the body wants it no more; the store cancels it with that record
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from hydra.execution import RESERVED_PREFIX, Record, RecordKind, Snapshot

STEP_WORKFLOW_PREFIX = f"{RESERVED_PREFIX}step:"  # of the workflow as which a placed step runs
STOP_PREFIX = f"{RESERVED_PREFIX}stop_step:"  # of the record by which a body gives one up; its id follows
_ASKED = re.compile(r"hydra\.step(?:/\d+)?:(.*)", re.DOTALL)
_SPAWN, _VALUE = str(RecordKind.SPAWN), str(RecordKind.VALUE)


class Place(msgspec.Struct, frozen=True):
    """Whose step an execution runs, as its input says: the step's key there, and what the step is told of itself."""

    execution_id: str
    workflow: str
    branch: str
    ordinal: int
    generation: int
    number: int  # 1: the first execution for this step; more where one failed and is superseded, or was given up
    attempt: int  # of the execution
    version: str | None
    tags: dict[str, str]


def asked_as(step: str, number: int) -> str:
    """The name of the record that asks for the `number`th execution of a step."""
    return f"{STEP_WORKFLOW_PREFIX}{step}" if number == 1 else f"{RESERVED_PREFIX}step/{number}:{step}"


def asked_step(record: Record) -> str | None:
    """The step that the record asks an execution for; None for any other record."""
    if record.kind != _SPAWN or (found := _ASKED.fullmatch(record.name)) is None:
        return None
    return found[1]


def is_stop(record: Record) -> bool:
    """Whether it gives a placed step up."""
    return record.kind == _VALUE and record.name.startswith(STOP_PREFIX)


def stopped_by(records: Iterable[Record]) -> list[str]:
    """The executions of steps that these records give up."""
    return [record.name.removeprefix(STOP_PREFIX) for record in records if is_stop(record)]


def step_of_workflow(name: str) -> str | None:
    """The step that a workflow of this name runs; None for a user's workflow."""
    return name.removeprefix(STEP_WORKFLOW_PREFIX) if name.startswith(STEP_WORKFLOW_PREFIX) else None


def not_alone(snapshot: Snapshot) -> str | None:
    """Why it is not run again by itself: whoever retries its body's execution has the step run again, too."""
    step = step_of_workflow(snapshot.workflow)
    if step is None:
        return None
    return f"execution `{snapshot.id}` runs step `{step}` of another one; retry that, and it runs the step again"
