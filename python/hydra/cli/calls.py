"""A call as a command is given it: a workflow's name, and JSON."""

from __future__ import annotations

from typing import Any

from hydra.cli.output import echo
from hydra.client.arguments import read_call
from hydra.client.engine import Engine
from hydra.definitions import BoundWorkflow
from hydra.stores.workflow_info import WorkflowInfo
from hydra.workflow import named


def read_bound(engine: Engine, workflow: str, json: str) -> BoundWorkflow[Any]:
    """A call whose arguments are JSON, checked against what a supervisor recorded of the workflow."""
    args, kwargs = read_call(json, known_workflow(engine, workflow))
    return named(workflow).bind(*args, **kwargs)


def known_workflow(engine: Engine, name: str) -> WorkflowInfo | None:
    """What a supervisor recorded of the workflow; None, with a warning, when none has served it yet."""
    known = {info.name: info for info in engine.workflows()}
    if name not in known:
        others = f"known are {', '.join(f'`{other}`' for other in sorted(known))}" if known else "none is known yet"
        echo(f"warning: no supervisor has served workflow `{name}` here; it waits until one does ({others})", err=True)
    return known.get(name)
