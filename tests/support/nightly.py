"""The long forms of the tests, some side by side, and one page that says what came of them: `make nightly`.

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
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STORES = ("sqlite", "postgres", "mysql")
PAGE = "nightly.md"
LINES_SHOWN = 40  # of what a step that did not pass printed last
LOOK_SECONDS = 0.1  # for the ends of steps
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
    every = str(max(1, round(1 / share)))  # point or guard
    return [
        tests("kill matrix", 90, *kills),
        *[
            Step(
                f"flows killed {store}",
                ("-m", "tests.processes.flow_kills", "--store", store, "--every", every),
                minutes(120),
            )
            for store in STORES
        ],
        *[
            Step(
                f"limits killed {store}",
                ("-m", "tests.processes.limit_kills", "--store", store, "--every", every),
                minutes(30),
            )
            for store in STORES
        ],
        *[
            Step(
                f"flows with faults {store}",
                *(("-m", "tests.processes.flow_faults", "--store", store, "--executions", count(1_000)), minutes(60)),
            )
            for store in STORES
        ],
        *[
            Step(
                f"guards {store}",
                ("-m", "tests.guards.take_out", "--on", store, "--every", every),
                minutes(120),
            )
            for store in ("none", *STORES)
        ],
        tests(
            *("simulation", 480, "-n", "2", "tests/simulation"),
            seed=f"0 to {count(100_000)}",
            HYDRA_SIMULATION_SEEDS=count(100_000),
        ),
        tests("sleepers of months", 30, "tests/testing/test_harness_months.py", HYDRA_SLEEPERS=count(10_000)),
        Step(
            "worlds of schedules",
            ("-m", "tests.schedules.worlds", "--first", str(seed), "--seeds", count(20_000)),
            minutes(120),
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
        *[
            Step(
                f"random programs {store}",
                (
                    *("-m", "tests.programs.programs", "--store", store, "--seed", str(seed)),
                    *("--count", count(500), "--plans", PLANS),
                ),
                minutes(240),
                f"{seed}, {count(500)} of them",
            )
            for store in STORES[1:]
        ],
        Step(
            "all faults of random programs",
            ("-m", "tests.programs.programs", "--count", count(500)),
            minutes(480),
            f"0, {count(500)} of them",
        ),
        tests("benchmarks", 60, "benches/test_smoke.py", HYDRA_BENCHMARKS="all"),
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


def run(chosen: Sequence[Step], folder: Path, jobs: int = 1) -> dict[str, Outcome]:
    """All of them, so many side by side, the long ones first; the page says at each time what is known."""
    folder.mkdir(parents=True, exist_ok=True)
    outcomes: dict[str, Outcome] = {}
    waiting = deque(sorted(chosen, key=lambda step: -step.minutes_maximum))
    running: list[Running] = []
    write(folder, chosen, outcomes)
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                print(f"{waiting[0].name}: {waiting[0].command}", flush=True)
                running.append(Running(waiting.popleft(), folder))
            for outcome in [outcome for each in running if (outcome := each.outcome())]:
                print(f"{outcome.step.name}: {outcome.result} in {outcome.seconds:.0f} s", flush=True)
                outcomes[outcome.step.name] = outcome
                write(folder, chosen, outcomes)
            running = [each for each in running if each.step.name not in outcomes]
            time.sleep(LOOK_SECONDS)
    finally:
        for each in running:
            each.kill()
    return outcomes


class Running:
    """A step under way, in a session of its own, which ends with it."""

    def __init__(self, step: Step, folder: Path) -> None:
        self.step = step
        self._log = folder / f"{step.name.replace(' ', '-')}.log"
        self._began_at = time.monotonic()
        with self._log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, *step.arguments],
                cwd=ROOT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **step.environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def outcome(self) -> Outcome | None:
        """None while it runs and has time left."""
        seconds = time.monotonic() - self._began_at
        code = self.process.poll()
        if code is None and seconds < self.step.minutes_maximum * 60:
            return None
        result = LATE if code is None else PASSED if code == 0 else FAILED
        self.kill()
        return Outcome(self.step, result, seconds, self._log)

    def kill(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)  # servers that it started die with their owner
            self.process.wait()


def write(folder: Path, chosen: Sequence[Step], outcomes: Mapping[str, Outcome]) -> None:
    (folder / PAGE).write_text(page(chosen, outcomes, datetime.now(UTC)))


def page(chosen: Sequence[Step], outcomes: Mapping[str, Outcome], now: datetime) -> str:
    lines = [f"# The night of {now:%Y-%m-%d}", "", f"{verdict(chosen, outcomes)} Commit `{commit()}`.", ""]
    lines += ["| step | result | seeds | minutes | at most |", "| --- | --- | --- | --- | --- |"]
    for step in chosen:
        outcome = outcomes.get(step.name)
        result, took = (outcome.result, f"{outcome.seconds / 60:.1f}") if outcome else ("not reached", "")
        shown = result if result == PASSED else f"**{result}**"
        lines.append(f"| {step.name} | {shown} | {step.seed} | {took} | {step.minutes_maximum:.0f} |")
    for outcome in wrong(chosen, outcomes):
        tail = outcome.log.read_text(errors="replace").splitlines()[-LINES_SHOWN:]
        lines += ["", f"## {outcome.step.name}: {outcome.result}", "", "Again: `" + outcome.step.command + "`", ""]
        lines += ["````text", *tail, "````"]
    return "\n".join(lines) + "\n"


def verdict(chosen: Sequence[Step], outcomes: Mapping[str, Outcome]) -> str:
    failed = [outcome.step.name for outcome in wrong(chosen, outcomes)]
    left = len(chosen) - len(outcomes)
    said = [f"{len(outcomes) - len(failed)} of {len(chosen)} steps passed."]
    said += [f"Not passed: {', '.join(failed)}."] if failed else []
    said += [f"{left} not reached."] if left else []
    return " ".join(said)


def wrong(chosen: Sequence[Step], outcomes: Mapping[str, Outcome]) -> list[Outcome]:
    """In the order of their steps."""
    return [outcomes[step.name] for step in chosen if step.name in outcomes and outcomes[step.name].result != PASSED]


def commit() -> str:
    found = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, check=False)
    return found.stdout.decode().strip() or "unknown"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[""], metavar="STEP", help="those whose names begin so")
    parser.add_argument("--share", type=float, default=1.0, help="of the seeds, rounds, points and minutes")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="steps side by side; default: the cores")
    parser.add_argument("--seed", type=int, help="default: of the day, 20260115")
    parser.add_argument("--out", type=Path, default=ROOT / "target" / "nightly", help="a folder")
    parser.add_argument("--list", action="store_true", help="say what there is and run nothing")
    options = parser.parse_args(arguments)
    if not 0 < options.share < math.inf:
        parser.error(f"`--share` is a number of more than 0, not {options.share:g}")
    if options.jobs < 1:
        parser.error(f"`--jobs` is a number of at least 1, not {options.jobs}")
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
    outcomes = run(chosen, folder, options.jobs)
    print(f"{verdict(chosen, outcomes)} {folder / PAGE}")
    return 0 if not wrong(chosen, outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
