"""The examples' workflows as process tests serve them: each try of a step leaves a line, and points to die at.

A line is: execution, branch, name, ordinal, key, when hydra says that the try began, `start` or `end`, microseconds.
What is recorded of a try that ended must be the last of its step: `reruns` of `flow_checks` holds that against the
records.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable
from typing import Any

import hydra
from hydra.definitions import caller
from hydra.workflow import registry

from tests.processes import kills
from tests.support.scenarios import defined, hurry

TRIES = "HYDRA_TEST_TRIES"

registry.workflows, registry.steps = defined.workflows, defined.steps
hurry()
kills.install_in_worker()


def traced(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        tell("start")
        kills.reach("before effect")
        result = function(*args, **kwargs)
        kills.reach("after effect")
        tell("end")
        return result

    return run


def tell(what: str) -> None:
    """One line, whole, whatever is killed meanwhile."""
    call: Any = caller.get()
    branch, name, ordinal = call.called.key
    place = (hydra.current().id, branch, name, str(ordinal))
    line = "\t".join([*place, hydra.idempotency_key(), str(call.started_at), what, str(time.time_ns() // 1000)])
    descriptor = os.open(os.environ[TRIES], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, f"{line}\n".encode())
    os.close(descriptor)


for _step in registry.steps.values():
    _step.function = traced(_step.function)
