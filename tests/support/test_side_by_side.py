"""`pytest --processes`: what each fork reports arrives, whatever becomes of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.side_by_side import Left

ROOT = Path(__file__).resolve().parents[2]
TESTS = """
import os, pathlib, signal, warnings
import pytest

HERE = pathlib.Path(__file__).parent

@pytest.fixture(scope="session")
def shared():
    (HERE / f"began-{os.getpid()}").touch()
    yield
    (HERE / f"ended-{os.getpid()}").touch()

@pytest.mark.parametrize("number", range(40))
def test_that_passes(number, shared, tmp_path):
    print("not to be seen")
    assert tmp_path.name == f"test_that_passes_{number}_0"
    assert not list(tmp_path.iterdir())
    (HERE / f"ran-{number}").touch()

def test_that_fails(shared):
    print("what it printed")
    assert [1, 2] == [1, 3]

def test_that_dies(shared):
    os.kill(os.getpid(), signal.SIGKILL)

@pytest.mark.slow
def test_that_warns():
    warnings.warn("of something")

@pytest.mark.skip(reason="not today")
def test_that_is_skipped(): ...

def test_whose_end_fails(request):
    request.addfinalizer(lambda: 1 / 0)
"""


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_them.py").write_text(TESTS)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = slow\n")
    command = [sys.executable, "-m", "pytest", "-p", "tests.support.side_by_side", "--rootdir", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [*command, "-c", "pytest.ini", *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )


def test_each_test_runs_once_and_what_becomes_of_it_is_said(tmp_path: Path) -> None:
    done = run(tmp_path, "--processes", "3", "-W", "default", "--junit-xml", "all.xml")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "2 failed, 42 passed, 1 skipped, 1 warning, 1 error" in done.stdout
    assert "the process that ran it ended with -9" in done.stdout
    for shown in ("[1, 2] == [1, 3]", "what it printed", "ZeroDivisionError", "UserWarning: of something"):
        assert shown in done.stdout
    assert "not to be seen" not in done.stdout
    assert len(list(tmp_path.glob("ran-*"))) == 40
    processes = [{path.name.partition("-")[2] for path in tmp_path.glob(f"{what}-*")} for what in ("began", "ended")]
    assert len(processes[0]) in (3, 4)  # the killed one's successor may have found none left
    assert len(processes[0] - processes[1]) == 1
    assert '"' + str(tmp_path) not in (tmp_path / "all.xml").read_text()
    failed = (tmp_path / ".pytest_cache" / "v" / "cache" / "lastfailed").read_text()
    assert sorted(name for name in ("fails", "dies", "warns", "end_fails") if name in failed) == [
        "dies",
        "end_fails",
        "fails",
    ]


def test_no_more_begin_after_as_many_failures_as_were_asked_for(tmp_path: Path) -> None:
    done = run(tmp_path, "--processes", "1", "-x", "-k", "that_fails or passes")
    assert done.returncode == 1
    assert "stopping after 1 failures" in done.stdout


@pytest.mark.parametrize("slow_count", [0, 1, 5])
def test_every_test_is_taken_once_and_each_place_begins_with_what_is_slow(slow_count: int) -> None:
    slow, others = range(slow_count), range(slow_count, 50)
    left = Left(slow, others, 4)
    first = [left.take(place) for place in range(4)]
    assert set(slow[:4]) <= set(first)
    assert all(second == number + 1 for number in first[slow_count:] if (second := left.take(first.index(number))))
