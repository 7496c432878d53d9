"""A number with more digits than Python writes, in the place of any argument, is refused in one sentence of hydra's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hydra
import pytest
from click.testing import CliRunner
from hydra import limits
from hydra.cli import main
from hydra.errors import HydraError

HUGE = 10**5_000
DIGITS = "1" + 5_000 * "0"


@hydra.workflow(name="huge_numbers.bill")
def bill(number: int) -> int:
    return number


BOUND = bill.bind(1)

CALLS: dict[str, Callable[[hydra.Engine, Any], object]] = {
    "key": lambda e, n: e.submit(BOUND, key=n),
    "delay": lambda e, n: e.submit(BOUND, delay=n),
    "run_at": lambda e, n: e.submit(BOUND, run_at=n),
    "priority": lambda e, n: e.submit(BOUND, priority=n),
    "tags": lambda e, n: e.submit(BOUND, tags={"run": n}),
    "tags as names": lambda e, n: e.submit(BOUND, tags={n: "run"}),
    "id": lambda e, n: e.submit(BOUND, id=n),
    "key_reuse": lambda e, n: e.submit(BOUND, key="k", key_reuse=n),
    "debounce": lambda e, n: e.submit(BOUND, key="k", debounce=n),
    "Debounce": lambda e, n: e.submit(BOUND, key="k", debounce=hydra.Debounce(n)),
    "max_wait": lambda e, n: e.submit(BOUND, key="k", debounce=hydra.Debounce(1, max_wait=n)),
    "connection": lambda e, n: e.submit(BOUND, connection=n),
    "bound": lambda e, n: e.submit(n),
    "bounds": lambda e, n: e.submit_many([n]),
    "keys": lambda e, n: e.submit_many([BOUND], keys=[n]),
    "many's delay": lambda e, n: e.submit_many([BOUND], delay=n),
    "many's priority": lambda e, n: e.submit_many([BOUND], priority=n),
    "get": lambda e, n: e.get(n),
    "find": lambda e, n: e.find(bill, n),
    "find's workflow": lambda e, n: e.find(n, "k"),
    "status": lambda e, n: e.executions(status=n),
    "limit": lambda e, n: e.executions(limit=n),
    "before": lambda e, n: e.executions(before=n),
    "since": lambda e, n: e.executions(since=n),
    "reason": lambda e, n: e.executions(reason=n),
    "attributes": lambda e, n: e.executions(attributes=n),
    "result": lambda e, n: e.submit(BOUND).result(timeout=n),
    "event": lambda e, n: e.submit(BOUND).signal(n),
    "signal's id": lambda e, n: e.submit(BOUND).signal("paid", id=n),
    "cancel's reason": lambda e, n: e.submit(BOUND).cancel(reason=n),
    "reschedule": lambda e, n: e.submit(BOUND).reschedule(delay=n),
    "reschedule's priority": lambda e, n: e.submit(BOUND).reschedule(priority=n),
    "at_most": lambda e, n: e.select("failed").retry(at_most=n),
    "max_pending": lambda e, n: hydra.Engine(e.url, max_pending=n),
    "max_payload_bytes": lambda e, n: hydra.Engine(e.url, max_payload_bytes=n),
    "timeout": lambda e, n: hydra.Engine(e.url, timeout=n),
    "namespace": lambda e, n: hydra.Engine(e.url, n),
    "url": lambda e, n: hydra.Engine(n),
    "concurrency": lambda e, n: e.worker(n),
    "only": lambda e, n: e.worker(only=n),
    "labels": lambda e, n: e.worker(labels=[n]),
    "Concurrency": lambda e, n: hydra.Concurrency(n),
    "Rate": lambda e, n: hydra.Rate(1, per=n),
    "Rate's count": lambda e, n: hydra.Rate(n, per=1),
    "burst": lambda e, n: hydra.Rate(1, per=1, burst=n),
    "weight": lambda e, n: limits.check_weight("gold", n),
    "Fair": lambda e, n: hydra.Fair(n),
    "Cron": lambda e, n: hydra.Cron(n),
    "catch_up": lambda e, n: hydra.Cron("0 6 1 * *", catch_up=n),
    "catch_up_maximum": lambda e, n: hydra.Cron("0 6 1 * *", catch_up_maximum=n),
    "jitter": lambda e, n: hydra.Cron("0 6 1 * *", jitter=n),
    "timezone": lambda e, n: hydra.Cron("0 6 1 * *", timezone=n),
    "Backoff": lambda e, n: hydra.Backoff(initial=n),
    "factor": lambda e, n: hydra.Backoff(factor=n),
    "max_attempts": lambda e, n: hydra.step(max_attempts=n)(lambda_step),
    "step's timeout": lambda e, n: hydra.step(timeout=n)(lambda_step),
    "RetryAfter": lambda e, n: hydra.RetryAfter(n),
    "RetryAfter's key": lambda e, n: hydra.RetryAfter(1, key=n),
    "Breaker": lambda e, n: hydra.Breaker("psp", min_calls=n),
    "error_rate": lambda e, n: hydra.Breaker("psp", error_rate=n),
    "offload": lambda e, n: hydra.Offload("memory:///", over=n),
}


def lambda_step() -> None:
    return None


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with hydra.Engine(f"sqlite:///{tmp_path_factory.mktemp('huge')}/user.db") as engine:
        yield engine


@pytest.mark.parametrize("number", [HUGE, -HUGE, [HUGE]], ids=["huge", "negative", "in a list"])
@pytest.mark.parametrize("argument", CALLS)
def test_a_number_of_5000_digits_is_refused_in_a_sentence(engine: hydra.Engine, argument: str, number: Any) -> None:
    try:
        CALLS[argument](engine, number)
    except HydraError as error:
        assert 10 < len(str(error)) < 1_000
    except TypeError as error:
        assert isinstance(number, list)  # it is no number, and no name
        assert "unhashable" in str(error) or "not supported" in str(error)
    else:
        assert argument in ("factor", "max_attempts", "offload", "at_most"), "which may be as large"


@pytest.mark.parametrize(
    "arguments",
    [
        ["submit", "huge_numbers.bill", "[1]", "--delay", f"{DIGITS}s"],
        ["submit", "huge_numbers.bill", "[1]", "--delay", DIGITS],
        ["submit", "huge_numbers.bill", "[1]", "--priority", DIGITS],
        ["submit", "huge_numbers.bill", DIGITS],
        ["list", "--limit", DIGITS],
        ["list", "--since", f"{DIGITS}d"],
        ["purge", "--older-than", f"{DIGITS}d"],
        ["result", "01a22f5c-0000-7000-8000-000000000000", "--timeout", f"{DIGITS}s"],
        ["limits", "set", "huge", "--count", DIGITS],
    ],
    ids=lambda arguments: " ".join(arguments).replace(DIGITS, "N"),
)
def test_a_command_refuses_a_number_of_5000_digits_in_a_sentence(engine: hydra.Engine, arguments: list[str]) -> None:
    done = CliRunner().invoke(main, [*arguments, "--db", engine.url])
    assert done.exit_code in (1, 2) and not isinstance(done.exception, (ValueError, OverflowError)), done.exception
    assert "Traceback" not in done.output
