"""`@hydra.workflow`, `@hydra.step`, `bind`: what is accepted, what is refused, and what a plain call does."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hydra.context import current, gather, idempotency_key, now, random, sleep, uuid4
from hydra.definitions import BoundStep, BoundWorkflow
from hydra.errors import ConfigError, HydraError
from hydra.retry import Backoff
from hydra.workflow import named, registry, step, workflow


def test_bare_and_configured_decorators_give_the_documented_defaults() -> None:
    @step
    def bare() -> None: ...

    @step(name="other", max_attempts=5, backoff=Backoff(2.0), timeout=timedelta(seconds=30), retry_on=(OSError,))
    def configured() -> None: ...

    @workflow(timeout=timedelta(days=60), deadline=timedelta(days=90), max_attempts=3)
    def flow() -> None: ...

    assert (bare.name, bare.retry.max_attempts, bare.timeout_ns, bare.inline) == ("bare", 1, 0, False)
    assert bare.retry.retry_on == (Exception,)
    assert bare.retry.backoff == Backoff(1.0, 2.0, 60.0, 0.1)
    assert (configured.name, configured.timeout_ns) == ("other", 30_000_000_000)
    assert (flow.timeout_us, flow.deadline_us) == (60 * 86_400 * 1_000_000, 90 * 86_400 * 1_000_000)
    assert flow.terms((), {}).limit_us == flow.timeout_us
    assert registry.workflows["flow"] is flow
    assert registry.steps["other"] is configured


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"max_attempts": 0}, "max_attempts"),
        ({"max_attempts": True}, "max_attempts"),
        ({"backoff": 3}, "backoff"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": "30s"}, "timeout"),
        ({"timeout": -1}, "timeout"),
        ({"retry_on": OSError}, "retry_on"),
        ({"retry_on": ("OSError",)}, "retry_on"),
        ({"name": ""}, "name"),
        ({"name": "hydra.sleep"}, "hydra."),
        ({"name": 7}, "name"),
        ({"inline": True, "timeout": 1}, "inline"),
    ],
)
def test_a_wrong_option_is_a_configerror_that_names_it(options: dict[str, Any], word: str) -> None:
    with pytest.raises(ConfigError) as caught:

        @step(**options)
        def wrong() -> None: ...

    assert word in str(caught.value)


def test_only_plain_and_async_functions_can_be_steps() -> None:
    with pytest.raises(ConfigError, match="generator"):

        @step
        def yields() -> Any:
            yield 1

    with pytest.raises(ConfigError, match="inline"):

        @step(inline=True)
        async def cannot() -> None: ...

    with pytest.raises(ConfigError, match="function"):
        step(3)  # type: ignore[call-overload]


def test_two_workflows_of_one_name_are_refused_and_a_reload_is_not() -> None:
    def define() -> Any:
        @workflow(name="bill")
        def bill() -> None: ...

        return bill

    assert define() is not define()
    with pytest.raises(ConfigError, match="two workflows are named `bill`"):

        @workflow(name="bill")
        def other() -> None: ...

    @step(name="bill")
    def bill_step() -> None: ...


def test_bind_checks_the_call_at_once() -> None:
    @workflow
    def bill(invoice: str, /, amount: int = 1, *, note: str = "") -> None: ...

    @step
    def charge(card: str) -> None: ...

    bound = bill.bind("a", 2, note="x")
    assert isinstance(bound, BoundWorkflow)
    assert (bound.name, bound.args, bound.kwargs) == ("bill", ("a", 2), {"note": "x"})
    assert isinstance(charge.bind("a"), BoundStep)
    for wrong in (
        lambda: bill.bind(),  # type: ignore[call-arg]
        lambda: bill.bind("a", 1, 2),  # type: ignore[call-arg]
        lambda: bill.bind("a", other=1),  # type: ignore[call-arg]
        lambda: charge.bind(),  # type: ignore[call-arg]
        lambda: charge.bind("a", "b"),  # type: ignore[call-arg]
    ):
        with pytest.raises(HydraError, match="cannot be called like this"):
            wrong()


def test_a_named_workflow_binds_anything() -> None:
    bound = named("far away").bind(1, two=2)
    assert (bound.name, bound.args, bound.kwargs, bound.workflow) == ("far away", (1,), {"two": 2}, None)


def test_outside_an_execution_calls_are_plain() -> None:
    @step
    def double(number: int) -> int:
        return number * 2

    @step
    async def triple(number: int) -> int:
        return number * 3

    @workflow
    def flow(number: int) -> int:
        return sum(gather(double.bind(number), double.bind(number)))

    assert flow(2) == 8
    assert double.function(2) == 4
    assert asyncio.run(triple(2)) == 6
    assert now().tzinfo is not None
    assert uuid4().version == 4
    assert 0 <= random() < 1


@pytest.mark.parametrize("call", [lambda: sleep(1), current, idempotency_key])
def test_what_needs_an_execution_says_so_outside(call: Any) -> None:
    with pytest.raises(HydraError, match=r"hydra\.testing"):
        call()


def test_binding_is_typed(tmp_path: Path) -> None:
    source = tmp_path / "typed.py"
    source.write_text(
        "from hydra.context import gather\n"
        "from hydra.definitions import BoundStep, BoundWorkflow\nfrom hydra.workflow import step, workflow\n"
        "@step\ndef a(x: int) -> str: ...\n"
        "@step(max_attempts=2)\nasync def b(x: int) -> float: ...\n"
        "@workflow\nasync def w(x: int) -> bytes: ...\n"
        "bound: BoundWorkflow[bytes] = w.bind(1)\n"
        "first: BoundStep[str] = a.bind(x=1)\n"
        "both: tuple[str, float] = gather(a.bind(1), b.bind(2))\n"
        "text: str = a(1)\n"
        "async def main() -> float:\n    return await b(1)\n"
        "a.bind('wrong')  # type: ignore[arg-type]\n"
        "w.bind()  # type: ignore[call-arg]\n"
    )
    command = [sys.executable, "-m", "mypy", "--strict", "--disable-error-code=empty-body", str(source)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout
