"""The long forms of the tests, one after the other, and one page that says what came of them: `make nightly`.

    python -m tests.support.nightly                             all of it: about a night on two cores
    python -m tests.support.nightly --only soak "guards sqlite" what begins so
    python -m tests.support.nightly --share 0.01                a hundredth of the seeds, rounds, points and minutes
    python -m tests.support.nightly --list                      what there is, with its bound; runs nothing

The folder `--out` gets `nightly.md`, written again after every step, so that a night that dies has its page, too; and
what each step printed. A step that fails or takes longer than its bound does not keep the next from its turn. The exit
code is 1 when one did not pass.
"""

from __future__ import annotations

import argparse
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STORES = ("sqlite", "postgres", "mysql")
PAGE = "nightly.md"
LINES_SHOWN = 40  # of what a step that did not pass printed last
LEAST_MINUTES = 10.0  # of a bound: servers are started and tests collected whatever the share
PLANS = "8"  # runs with faults, of each of the many programs; a program has a hundred and more places for one
PASSED, FAILED, LATE = "passed", "failed", "not done in its time"


@dataclass(frozen=True)
class Step:
    """A command of this repository, and for how many minutes it may run."""

    name: str
    arguments: tuple[str, ...]  # of Python
    minutes_maximum: float
    seed: str = "none"  # as the page tells it
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def command(self) -> str:
        said = [f"{name}={value}" for name, value in self.environment.items()]
        return " ".join([*said, "python", *self.arguments])


@dataclass(frozen=True)
class Outcome:
    step: Step
    result: str
    seconds: float
    log: Path


def steps(share: float = 1.0, seed: int = 0, folder: Path = Path()) -> list[Step]:
    """Of a whole night, or of a share of it."""

    def count(whole: int) -> str:
        return str(max(1, round(whole * share)))

    def minutes(whole: float) -> float:
        return max(LEAST_MINUTES, whole * min(share, 1.0))

    def tests(name: str, bound: float, *arguments: str, seed: str = "none", **environment: str) -> Step:
        """Without the bound of a single test, which is CI's."""
        return Step(name, ("-m", "pytest", "-q", "-o", "timeout=0", *arguments), minutes(bound), seed, environment)

    kills = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests/processes").glob("test_*kill*.py"))
    fuzz_minutes = f"{60 * share:g}"
    return [
        tests("kill matrix", 90, *kills),
        *[
            Step(
                f"flows killed {store}",
                ("-m", "tests.processes.flow_kills", "--store", store, "--every", str(max(1, round(1 / share)))),
                minutes(120),
            )
            for store in STORES
        ],
        *[
            Step(
                f"limits killed {store}",
                ("-m", "tests.processes.limit_kills", "--store", store, "--every", str(max(1, round(1 / share)))),
                minutes(30),
            )
            for store in STORES
        ],
        *[
            Step(
                f"flows with faults {store}",
                *(("-m", "tests.processes.flow_faults", "--store", store, "--executions", count(1_000)), minutes(30)),
            )
            for store in STORES
        ],
        *[
            Step(
                f"guards {store}",
                ("-m", "tests.guards.take_out", "--on", store, *(() if share >= 1 else ("--quick",))),
                minutes(120),
            )
            for store in ("none", *STORES)
        ],
        tests(
            "simulation", 240, "tests/simulation", seed=f"0 to {count(100_000)}", HYDRA_SIMULATION_SEEDS=count(100_000)
        ),
        tests("sleepers of months", 30, "tests/testing/test_harness_months.py", HYDRA_SLEEPERS=count(10_000)),
        Step(
            "worlds of schedules",
            ("-m", "tests.schedules.worlds", "--first", str(seed), "--seeds", count(20_000)),
            minutes(60),
            f"{seed}, {count(20_000)} of them",
        ),
        Step(
            "worlds of limits",
            ("-m", "tests.stores.limit_worlds", "--first", str(seed), "--seeds", count(1_000)),
            minutes(120),
            f"{seed}, {count(1_000)} of them",
        ),
        Step(
            "random programs",
            ("-m", "tests.programs.programs", "--seed", str(seed), "--count", count(10_000), "--plans", PLANS),
            minutes(480),
            f"{seed}, {count(10_000)} of them",
        ),
        Step(
            "all faults of random programs",
            ("-m", "tests.programs.programs", "--count", count(500)),
            minutes(480),
            f"0, {count(500)} of them",
        ),
        tests("benchmarks", 30, "benches/test_smoke.py", HYDRA_BENCHMARKS="all"),
        Step(
            "fuzz of values",
            ("-m", "tests.codec.fuzz", "--seed", str(seed), "--minutes", fuzz_minutes),
            minutes(60 + LEAST_MINUTES),
            str(seed),
        ),
        *[
            tests(
                f"races {store}",
                *(120, "-s", "tests/stores/test_store_race_pairs.py", "-k", store),
                seed=str(seed),
                HYDRA_RACE_ROUNDS=count(1_000),
                HYDRA_RACE_SEED=str(seed),
            )
            for store in STORES
        ],
        *[
            Step(
                f"soak {store}",
                (
                    *("benches/soak.py", "--database", store, "--minutes", f"{60 * share:g}", "--seed", str(seed)),
                    *("--out", str(folder / f"soak-{store}.html")),
                ),
                minutes(60) + LEAST_MINUTES,
                str(seed),
            )
            for store in STORES
        ],
    ]


def run(chosen: Sequence[Step], folder: Path) -> list[Outcome]:
    """All of them; the page says at each time what is known."""
    folder.mkdir(parents=True, exist_ok=True)
    outcomes: list[Outcome] = []
    write(folder, chosen, outcomes)
    for step in chosen:
        print(f"{step.name}: {step.command}", flush=True)
        outcomes.append(run_one(step, folder))
        print(f"{step.name}: {outcomes[-1].result} in {outcomes[-1].seconds:.0f} s", flush=True)
        write(folder, chosen, outcomes)
    return outcomes


def run_one(step: Step, folder: Path) -> Outcome:
    """In a session of its own, which ends with it."""
    log = folder / f"{step.name.replace(' ', '-')}.log"
    began_at = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *step.arguments],
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **step.environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            result = PASSED if process.wait(step.minutes_maximum * 60) == 0 else FAILED
        except subprocess.TimeoutExpired:
            result = LATE
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)  # servers that it started die with their owner
                process.wait()
    return Outcome(step, result, time.monotonic() - began_at, log)


def write(folder: Path, chosen: Sequence[Step], outcomes: Sequence[Outcome]) -> None:
    (folder / PAGE).write_text(page(chosen, outcomes, datetime.now(UTC)))


def page(chosen: Sequence[Step], outcomes: Sequence[Outcome], now: datetime) -> str:
    wrong = [outcome for outcome in outcomes if outcome.result != PASSED]
    lines = [f"# The night of {now:%Y-%m-%d}", "", f"{verdict(chosen, outcomes)} Commit `{commit()}`.", ""]
    lines += ["| step | result | seeds | minutes | at most |", "| --- | --- | --- | --- | --- |"]
    for step, outcome in zip(chosen, [*outcomes, *[None] * (len(chosen) - len(outcomes))], strict=True):
        result, took = (outcome.result, f"{outcome.seconds / 60:.1f}") if outcome else ("not reached", "")
        shown = result if result == PASSED else f"**{result}**"
        lines.append(f"| {step.name} | {shown} | {step.seed} | {took} | {step.minutes_maximum:.0f} |")
    for outcome in wrong:
        tail = outcome.log.read_text(errors="replace").splitlines()[-LINES_SHOWN:]
        lines += ["", f"## {outcome.step.name}: {outcome.result}", "", "Again: `" + outcome.step.command + "`", ""]
        lines += ["````text", *tail, "````"]
    return "\n".join(lines) + "\n"


def verdict(chosen: Sequence[Step], outcomes: Sequence[Outcome]) -> str:
    wrong = [outcome.step.name for outcome in outcomes if outcome.result != PASSED]
    left = len(chosen) - len(outcomes)
    said = [f"{len(outcomes) - len(wrong)} of {len(chosen)} steps passed."]
    said += [f"Not passed: {', '.join(wrong)}."] if wrong else []
    said += [f"{left} not reached."] if left else []
    return " ".join(said)


def commit() -> str:
    found = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, check=False)
    return found.stdout.decode().strip() or "unknown"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[""], metavar="STEP", help="those whose names begin so")
    parser.add_argument("--share", type=float, default=1.0, help="of the seeds, rounds, points and minutes")
    parser.add_argument("--seed", type=int, help="default: of the day, 20260115")
    parser.add_argument("--out", type=Path, default=ROOT / "target" / "nightly", help="a folder")
    parser.add_argument("--list", action="store_true", help="say what there is and run nothing")
    options = parser.parse_args(arguments)
    if not 0 < options.share < math.inf:
        parser.error(f"`--share` is a number of more than 0, not {options.share:g}")
    seed = int(f"{datetime.now(UTC):%Y%m%d}") if options.seed is None else options.seed
    folder = options.out.resolve()
    every = steps(options.share, seed, folder)
    chosen = [step for step in every if step.name.startswith(tuple(options.only))]
    if not chosen:
        parser.error(f"no step begins so; there are: {', '.join(step.name for step in every)}")
    if options.list:
        for step in chosen:
            print(f"{step.name:25} {step.minutes_maximum:4.0f} min at most   {step.command}")
        return 0
    outcomes = run(chosen, folder)
    print(f"{verdict(chosen, outcomes)} {folder / PAGE}")
    return 0 if all(outcome.result == PASSED for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
