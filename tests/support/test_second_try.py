"""Which failures of a whole run are tried once more, alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.second_try import may_be_tried_again


@pytest.mark.parametrize(
    ("failed", "tried"),
    [
        ([], False),
        (["tests/processes/test_http.py::test_a"], True),
        (["tests/processes/test_http.py::test_a", "tests/client/test_why.py::test_b"], True),
        ([f"tests/client/test_why.py::test_{n}" for n in range(4)], True),
        ([f"tests/client/test_why.py::test_{n}" for n in range(5)], False),
        (["tests/programs/test_programs.py::test_a"], False),
        (["tests/client/test_why.py::test_b", "tests/model/test_model.py::test_a"], False),
    ],
)
def test_few_failures_are_tried_again_and_none_of_what_is_generated(failed: list[str], tried: bool) -> None:
    assert may_be_tried_again(failed) is tried


def second_try(cache: Path, test: Path) -> subprocess.CompletedProcess[str]:
    cache.write_text(json.dumps({f"{test}::test_it": True}))
    return subprocess.run(
        [sys.executable, "-m", "tests.support.second_try", str(cache)], capture_output=True, text=True, check=False
    )


def test_what_fails_again_fails_and_what_passes_is_named(tmp_path: Path) -> None:
    (tmp_path / "test_wrong.py").write_text("def test_it():\n    assert False\n")
    (tmp_path / "test_right.py").write_text("def test_it():\n    pass\n")
    assert second_try(tmp_path / "failed", tmp_path / "test_wrong.py").returncode == 1
    right = second_try(tmp_path / "failed", tmp_path / "test_right.py")
    assert right.returncode == 0
    assert f"UNSTEADY: {tmp_path}/test_right.py::test_it failed in the whole run" in right.stdout
    missing = subprocess.run([sys.executable, "-m", "tests.support.second_try", str(tmp_path / "none")], check=False)
    assert missing.returncode == 1
