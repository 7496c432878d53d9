"""`step_context`: what a step sees of its execution, for a plain unit test of the step. No engine, no database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self, cast

from hydra.blocks import contextmanager
from hydra.body.step_call import CalledStep, StepCall
from hydra.context import Current
from hydra.definitions import Step, caller

if TYPE_CHECKING:
    from hydra.body.executor import Executor

NO_TAGS: Mapping[str, str] = MappingProxyType({})


class StepInTest(StepCall):
    """A caller that belongs to no execution."""

    key: str = ""
    told: Current | None = None

    @classmethod
    def begin(cls, key: str, told: Current) -> Self:
        call = cls.of(cast("Executor", None), CalledStep.of("", 0, Step(step_in_test).bind(), b""), told.attempt)
        call.key, call.told = key, told
        return call

    def is_cancelled(self) -> bool:
        return False

    def heartbeat(self, progress: Any) -> None:
        """Nobody listens."""

    def current(self) -> Current:
        assert self.told is not None
        return self.told

    def idempotency_key(self, label: str | None) -> str:
        return self.key if label is None else f"{self.key}-{label}"


def step_in_test() -> None:
    """Stands where the step's definition would."""


@contextmanager
def step_context(
    key: str = "test",
    *,
    id: str = "test",
    workflow: str = "test",
    step: str = "test",
    namespace: str = "default",
    tags: Mapping[str, str] = NO_TAGS,
    attempt: int = 1,
    version: str | None = None,
) -> Iterator[None]:
    """For a plain test of a step: within it, `hydra.idempotency_key()` is `key` and `hydra.current()` says what is
    given here.

        with step_context(key="key-1", attempt=2):
            assert charge("visa-1") == "paid"
    """
    here = StepInTest.begin(key, Current(id, workflow, step, namespace, dict(tags), attempt, 1, version))
    token = caller.set(here)
    try:
        yield
    finally:
        caller.reset(token)
