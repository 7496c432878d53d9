"""What mypy --strict and pyright say of user code: what is right passes, what is wrong is found where it is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from mypy import api

HERE = Path(__file__).parent
ACCEPTED = "accepted.py"
PREFIX = """\
# pyright: standard
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

# What is wrong, and what mypy and pyright call it; None where mypy lets it pass.
WRONG: dict[str, tuple[str, str | None, str]] = {
    "an argument of another type to a step's bind": ('charge.bind("4242", "5")', "arg-type", "reportArgumentType"),
    "an argument too few to a step's bind": ('charge.bind("4242")', "call-arg", "reportCallIssue"),
    "an argument nobody knows to a workflow's bind": ('bill.bind("4242", tip=1)', "call-arg", "reportCallIssue"),
    "an argument of another type to a workflow's bind": ("bill.bind(4242)", "arg-type", "reportArgumentType"),
    "an argument of another type to a step called": ('charge(4242, "5")', "arg-type", "reportArgumentType"),
    "an argument of another type for all items": ('charge.bind_each(["1"], "5")', "arg-type", "reportArgumentType"),
    "an argument too few for all items": ('charge.bind_each(["1"])', "call-arg", "reportCallIssue"),
    "items of another type": ("charge.bind_each([1], 5)", None, "reportArgumentType"),
    "another type for a mapped result": (
        'text: hydra.Outcomes[str] = hydra.map(charge.bind_each(["1"], 5))',
        "arg-type",
        "reportAssignmentType",
    ),
    "a bound step where items belong": ('hydra.map(charge.bind("1", 5))', "arg-type", "reportArgumentType"),
    "another type for a result": (
        'text: str = engine.submit(bill.bind("4242")).result()',
        "assignment",
        "reportAssignmentType",
    ),
    "another type for an async workflow's result": (
        'text: str = engine.submit(collect.bind("1")).result()',
        "assignment",
        "reportAssignmentType",
    ),
    "another type for a gathered result": (
        'text: tuple[str] = hydra.gather(charge.bind("4242", 1), concurrency=2)',
        "assignment",
        "reportAssignmentType",
    ),
    "another type for what a callback gives": (
        'text: str = hydra.wait_callback("token", type=int)',
        "assignment",
        "reportAssignmentType",
    ),
    "a step where a workflow belongs": ('engine.submit(charge.bind("4242", 1))', "arg-type", "reportArgumentType"),
    "a workflow where a step belongs": ('hydra.gather(bill.bind("4242"))', "call-overload", "reportCallIssue"),
    "an option nobody knows": ("hydra.step(attempts=3)", "call-overload", "reportCallIssue"),
    "a missing await": (
        "\n\n@hydra.workflow\nasync def late(card: str) -> int:\n    return fetch(card)",
        "return-value",
        "reportReturnType",
    ),
    "a missing await of a result nobody takes": (
        "\n\n@hydra.workflow\nasync def lost(card: str) -> None:\n    fetch(card)",
        "unused-coroutine",
        "reportUnusedCoroutine",
    ),
}


@pytest.fixture(scope="module")
def wrong_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    directory = tmp_path_factory.mktemp("wrong")
    files = {}
    for number, (case, (code, _, _)) in enumerate(WRONG.items()):
        files[case] = directory / f"wrong_{number}.py"
        files[case].write_text(f"{PREFIX}{code}\n")
    return files


@pytest.fixture(scope="module")
def complaints(wrong_files: dict[str, Path]) -> dict[str, str]:
    """What mypy says of each piece of wrong code and of what is right, all of it checked in one run."""
    said, errors, _ = check(HERE / ACCEPTED, *wrong_files.values())
    assert not errors
    files = {ACCEPTED: HERE / ACCEPTED, **wrong_files}
    return {case: "\n".join(line for line in said.splitlines() if file.name in line) for case, file in files.items()}


@pytest.fixture(scope="module")
def pyright_complaints(wrong_files: dict[str, Path]) -> dict[str, set[str]]:
    """The rules that pyright says each piece of wrong code breaks, and what is right."""
    files = {ACCEPTED: HERE / ACCEPTED, **wrong_files}
    diagnostics = pyright(*files.values())
    return {
        case: {each["rule"] for each in diagnostics if each["file"] == str(file) and each["severity"] == "error"}
        for case, file in files.items()
    }


def check(*files: Path) -> tuple[str, str, int]:
    return api.run(["--strict", "--no-incremental", "--config-file=", "--follow-imports=silent", *map(str, files)])


def pyright(*files: Path) -> list[dict[str, str]]:
    """By basedpyright, which brings its own node: nothing is fetched."""
    folder = files[0].parent
    command = [sys.executable, "-m", "basedpyright", "--outputjson", "--level", "error", "--pythonpath", sys.executable]
    ran = subprocess.run([*command, *map(str, files)], cwd=folder, capture_output=True, text=True, timeout=100)
    assert ran.returncode in (0, 1), ran.stdout + ran.stderr
    diagnostics: list[dict[str, str]] = json.loads(ran.stdout)["generalDiagnostics"]
    return diagnostics


def test_mypy_accepts_correct_user_code(complaints: dict[str, str]) -> None:
    assert complaints[ACCEPTED] == ""


def test_pyright_accepts_correct_user_code(pyright_complaints: dict[str, set[str]]) -> None:
    assert pyright_complaints[ACCEPTED] == set()


@pytest.mark.parametrize("case", [case for case, (_, code, _) in WRONG.items() if code is not None])
def test_mypy_rejects(case: str, complaints: dict[str, str]) -> None:
    lines = [line for line in complaints[case].splitlines() if ": error:" in line]
    assert lines and all(f"[{WRONG[case][1]}]" in line for line in lines), complaints[case]


@pytest.mark.parametrize("case", WRONG)
def test_pyright_rejects(case: str, pyright_complaints: dict[str, set[str]]) -> None:
    assert WRONG[case][2] in pyright_complaints[case]
