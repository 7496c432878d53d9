"""The page and the exit code of a night: what passed, what did not, what was not reached."""

from __future__ import annotations

import signal
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support import nightly
from tests.support.nightly import FAILED, LATE, PAGE, PASSED, ROOT, Step, main, run, steps

FINE = Step("fine", ("-c", "print('nothing found')"), 1)
WRONG = Step("wrong", ("-c", "print('seed 7 | lost one'); raise SystemExit(1)"), 1, seed="7")
ENDLESS = Step("endless", ("-c", "import time; print('on it', flush=True); time.sleep(600)"), 1 / 60)


def test_a_step_that_fails_or_never_ends_is_named_and_the_next_has_its_turn(tmp_path: Path) -> None:
    outcomes = run([WRONG, ENDLESS, FINE], tmp_path)
    assert {name: outcome.result for name, outcome in outcomes.items()} == {
        "wrong": FAILED,
        "endless": LATE,
        "fine": PASSED,
    }
    page = (tmp_path / PAGE).read_text()
    assert "1 of 3 steps passed. Not passed: wrong, endless." in page
    assert "| wrong | **failed** | 7 |" in page
    assert "| endless | **not done in its time** |" in page
    assert "| fine | passed |" in page
    assert "## wrong: failed" in page and "seed 7 | lost one" in page and "on it" in page
    assert "## fine" not in page and "nothing found" not in page


def test_a_night_that_dies_leaves_a_page_that_says_what_was_not_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class DiesAtTheSecond(nightly.Running):
        def __init__(self, step: Step, folder: Path) -> None:
            if step is WRONG:
                raise KeyboardInterrupt
            super().__init__(step, folder)

    monkeypatch.setattr(nightly, "Running", DiesAtTheSecond)
    with pytest.raises(KeyboardInterrupt):
        run([FINE, WRONG], tmp_path)
    page = (tmp_path / PAGE).read_text()
    assert "1 of 2 steps passed. 1 not reached." in page
    assert "| wrong | **not reached** |" in page


MEET = """
import pathlib, sys, time
pathlib.Path(sys.argv[1]).touch()
while not pathlib.Path(sys.argv[2]).exists():
    time.sleep(0.01)
"""


def test_steps_run_side_by_side_and_the_long_ones_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []

    class Noted(nightly.Running):
        def __init__(self, step: Step, folder: Path) -> None:
            begun.append(step.name)
            super().__init__(step, folder)

    monkeypatch.setattr(nightly, "Running", Noted)
    here, there = str(tmp_path / "here"), str(tmp_path / "there")
    chosen = [FINE, Step("one", ("-c", MEET, here, there), 2), Step("other", ("-c", MEET, there, here), 3)]
    outcomes = run(chosen, tmp_path, jobs=2)
    assert begun == ["other", "one", "fine"]
    assert {outcome.result for outcome in outcomes.values()} == {PASSED}


def test_what_runs_ends_with_an_interrupted_night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[nightly.Running] = []

    class Interrupts(nightly.Running):
        def outcome(self) -> nightly.Outcome | None:
            made.append(self)
            raise KeyboardInterrupt

    monkeypatch.setattr(nightly, "Running", Interrupts)
    with pytest.raises(KeyboardInterrupt):
        run([ENDLESS], tmp_path)
    assert made[0].process.poll() == -signal.SIGKILL


@pytest.mark.parametrize(("step", "code"), [(FINE, 0), (WRONG, 1), (ENDLESS, 1)], ids=lambda each: str(each)[:20])
def test_the_exit_code_says_whether_all_passed(
    step: Step, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nightly, "steps", lambda *_: [FINE, step])
    assert main(["--out", str(tmp_path)]) == code


def test_a_small_share_of_real_steps_passes(tmp_path: Path) -> None:
    chosen = ["--only", "worlds of limits", "worlds of schedules", "--share", "0.0002", "--seed", "1"]
    assert main([*chosen, "--out", str(tmp_path)]) == 0, (tmp_path / PAGE).read_text()
    assert "| worlds of schedules | passed | 1, 4 of them |" in (tmp_path / PAGE).read_text()


def test_every_step_is_a_command_that_is_there() -> None:
    for step in steps():
        match step.arguments:
            case ("-m", "pytest", *arguments):
                files = [each for each in arguments if each.startswith(("tests/", "benches/"))]
                assert files and all((ROOT / each).exists() for each in files), step
            case ("-m", module, *_):
                assert find_spec(module), step
            case (script, *_):
                assert (ROOT / script).exists(), step


def test_a_night_has_the_long_form_of_each_store() -> None:
    names = {step.name for step in steps()}
    for store in nightly.STORES:
        assert {f"{part} {store}" for part in ("flows killed", "flows with faults", "guards", "races", "soak")} <= names
    assert {"kill matrix", "guards none", "simulation", "fuzz of values"} <= names
    assert {"random programs", "random programs postgres", "random programs mysql"} <= names
    assert "all faults of random programs" in names


def test_a_name_that_nothing_has_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--only", "sok"])
    assert "no step begins so; there are: kill matrix" in capsys.readouterr().err


@pytest.mark.parametrize("share", ["nan", "inf", "0", "-1"])
def test_a_share_that_is_none_is_refused(share: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([f"--share={share}", "--list"])
    assert f"`--share` is a number of more than 0, not {share}" in capsys.readouterr().err
