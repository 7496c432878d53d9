"""`@hydra.transaction`: what is accepted, what is refused, and what a call means outside a worker."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest
from hydra.errors import ConfigError, HydraError
from hydra.workflow import transaction


@transaction
def post_line(connection: Any, account: str, pennies: int = 1) -> str:
    connection.execute("create table posted(account text, pennies integer)")
    return f"{account}: {pennies}"


def test_outside_a_workflow_its_function_is_called_with_a_connection() -> None:
    with pytest.raises(HydraError, match=r"call `post_line\.function\(connection, …\)`"):
        post_line("a")
    assert post_line.function(sqlite3.connect(":memory:"), "a", 2) == "a: 2"


def test_it_is_bound_without_the_connection() -> None:
    assert post_line.bind("a", pennies=2).args == ("a",)
    with pytest.raises(HydraError, match="cannot be called like this"):
        post_line.bind(object(), "a", 1)  # type: ignore[call-arg, arg-type]


@pytest.mark.parametrize("options", [{"timeout": 1.0}, {"heartbeat_timeout": 1.0}, {"inline": True}])
def test_it_takes_no_timeout_and_is_never_inline(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"`@hydra\.transaction` has no option"):
        transaction(**options)(lambda connection: None)


def test_it_needs_a_parameter_for_the_connection_and_is_not_async() -> None:
    def without() -> None: ...

    async def later(connection: Any) -> None: ...

    with pytest.raises(ConfigError, match="needs a first parameter"):
        transaction(without)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="must not be async"):
        transaction(later)
