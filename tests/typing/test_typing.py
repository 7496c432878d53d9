"""What mypy --strict says of user code: what is right passes, what is wrong is found at the line that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from mypy import api

HERE = Path(__file__).parent
PREFIX = """\
from __future__ import annotations

import hydra


@hydra.step
def charge(card: str, amount: int) -> int:
    return amount


@hydra.step
async def fetch(card: str) -> int:
    return len(card)


@hydra.workflow
def bill(card: str) -> int:
    return charge(card, 1)


@hydra.workflow
async def collect(card: str) -> int:
    return await fetch(card)


engine = hydra.Engine("sqlite:///billing.db")
"""

WRONG = {
    "an argument of another type to a step's bind": ('charge.bind("4242", "5")', "arg-type"),
    "an argument too few to a step's bind": ('charge.bind("4242")', "call-arg"),
    "an argument nobody knows to a workflow's bind": ('bill.bind("4242", tip=1)', "call-arg"),
    "an argument of another type to a workflow's bind": ("bill.bind(4242)", "arg-type"),
    "an argument of another type to a step called": ('charge(4242, "5")', "arg-type"),
    "another type for a result": ('text: str = engine.submit(bill.bind("4242")).result()', "assignment"),
    "another type for an async workflow's result": (
        'text: str = engine.submit(collect.bind("1")).result()',
        "assignment",
    ),
    "another type for a gathered result": ('text: tuple[str] = hydra.gather(charge.bind("4242", 1))', "assignment"),
    "a step where a workflow belongs": ('engine.submit(charge.bind("4242", 1))', "arg-type"),
    "a workflow where a step belongs": ('hydra.gather(bill.bind("4242"))', "call-overload"),
    "an option nobody knows": ("hydra.step(attempts=3)", "call-overload"),
    "a missing await": (
        "\n\n@hydra.workflow\nasync def late(card: str) -> int:\n    return fetch(card)",
        "return-value",
    ),
    "a missing await of a result nobody takes": (
        "\n\n@hydra.workflow\nasync def lost(card: str) -> None:\n    fetch(card)",
        "unused-coroutine",
    ),
}


@pytest.fixture(scope="module")
def complaints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What mypy says of each piece of wrong code, all of it checked in one run."""
    directory = tmp_path_factory.mktemp("wrong")
    files = {}
    for number, (case, (code, _)) in enumerate(WRONG.items()):
        files[case] = directory / f"wrong_{number}.py"
        files[case].write_text(f"{PREFIX}{code}\n")
    said, errors, _ = check(*files.values())
    assert not errors
    return {case: "\n".join(line for line in said.splitlines() if file.name in line) for case, file in files.items()}


def check(*files: Path) -> tuple[str, str, int]:
    return api.run(["--strict", "--no-incremental", "--config-file=", "--follow-imports=silent", *map(str, files)])


def test_mypy_accepts_correct_user_code() -> None:
    said, errors, code = check(HERE / "accepted.py")
    assert (code, errors) == (0, ""), said


@pytest.mark.parametrize("case", WRONG)
def test_mypy_rejects(case: str, complaints: dict[str, str]) -> None:
    lines = [line for line in complaints[case].splitlines() if ": error:" in line]
    assert lines and all(f"[{WRONG[case][1]}]" in line for line in lines), complaints[case]
