"""A bad day in a few minutes: PostgreSQL is slow (each reply over 1 s), recovers, dies and comes back, while clients
submit. Checks that nothing is lost, doubled or hangs, prints figures, and draws the day.

    pip install 'hydra-engine[plot]'
    python benches/bad_day.py --minutes 5 --out docs/bad-day.png
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

sys.path.append(str(Path(__file__).parents[1]))

from hydra.dispatch.circuits import NodeCircuits

from tests.processes.bad_day import CIRCUITS, BadDay

# What happens, as parts of the whole: well, slow, well, dead, well.
SLOW_FROM, SLOW_TO, DEAD_FROM, DEAD_TO = 0.2, 0.4, 0.6, 0.7
SAMPLE_SECONDS = 0.25
COLOURS = {"slow": "#f5d76e", "dead": "#e08283"}
STATES = ("closed", "half-open", "open")


class Sample(NamedTuple):
    at: float
    circuits: dict[str, int]
    is_ready: bool


class Sampler(threading.Thread):
    def __init__(self, day: BadDay) -> None:
        super().__init__(daemon=True)
        self.samples: list[Sample] = []
        self._day = day
        self._ends = threading.Event()

    def run(self) -> None:
        while not self._ends.wait(SAMPLE_SECONDS):
            at = time.monotonic()
            self.samples.append(Sample(at, self._day.circuits(), self._day.readiness() == "ok"))

    def stop(self) -> None:
        self._ends.set()
        self.join()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--minutes", type=float, default=5.0)
    options.add_argument("--clients", type=int, default=8)
    options.add_argument("--pause", type=float, default=0.1, help="seconds between two submissions of a client")
    options.add_argument("--out", type=Path, help="where the plot goes")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        day = BadDay(Path(folder), clients=chosen.clients, pause_seconds=chosen.pause, circuits=NodeCircuits())
        with day:
            sampler = Sampler(day)
            sampler.start()
            pickups = live(day, 60 * chosen.minutes)
            day.end()
            sampler.stop()
            tell(day, sampler.samples, pickups)
            if chosen.out:
                draw(day, sampler.samples, chosen.out)
            day.check()


def live(day: BadDay, seconds: float) -> dict[str, float]:
    """Seconds until an execution that was submitted right after a recovery began, and until the node was ready."""
    began = time.monotonic()

    def wait_for(part: float) -> None:
        time.sleep(max(0.0, began + part * seconds - time.monotonic()))

    found = {}
    wait_for(SLOW_FROM)
    day.slow_down()
    wait_for(SLOW_TO)
    day.speed_up()
    found["pickup after the slow time"] = day.pick_one_up()
    wait_for(DEAD_FROM)
    day.kill()
    wait_for(DEAD_TO)
    day.start()
    found["pickup after the restart"] = day.pick_one_up()
    wait_for(1.0)
    day.mark("end")
    return found


def pickups_of(day: BadDay) -> list[tuple[float, float]]:
    """Of each submission: when it was accepted, and how many seconds later it began."""
    times = day.times()
    return [(each.accepted_at, times[f"begin {each.name}"][0] - each.accepted_at) for each in day.submissions]


def tell(day: BadDay, samples: list[Sample], found: dict[str, float]) -> None:
    print(f"{len(day.submissions)} submissions, {sum(each.tries > 1 for each in day.submissions)} of them repeated")
    print(f"longest submission {max(each.accepted_at - each.began_at for each in day.submissions):.1f} s")
    for what, seconds in found.items():
        print(f"{what}: {seconds:.2f} s")
    for name in CIRCUITS:
        shares = [sum(sample.circuits[name] == value for sample in samples) / len(samples) for value in range(3)]
        print(f"{name} circuit: " + ", ".join(f"{STATES[v]} {100 * share:.0f} %" for v, share in enumerate(shares)))
    ends = [*day.marks[1:], (float("inf"), "")]
    for (begin, what), (end, _) in zip(day.marks, ends, strict=True):
        inside = [seconds for at, seconds in pickups_of(day) if begin <= at < end]
        if inside:
            median, longest = statistics.median(inside), max(inside)
            print(f"{what}: {len(inside)} accepted, pickup median {median:.3f} s, max {longest:.1f} s")


def draw(day: BadDay, samples: list[Sample], out: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    zero = day.marks[0][0]
    figure, (rates, latency, states) = pyplot.subplots(3, 1, figsize=(10, 8), sharex=True, layout="constrained")
    begun = [at + seconds for at, seconds in pickups_of(day)]
    last = int(max(begun) - zero) + 1
    for label, instants in (("submissions accepted", [each.accepted_at for each in day.submissions]), ("begun", begun)):
        counts = [0] * (last + 1)
        for at in instants:
            counts[int(at - zero)] += 1
        rates.plot(range(last + 1), counts, label=label, linewidth=1)
    rates.set_ylabel("per second")
    rates.legend(loc="upper right")
    calls = [(each.began_at - zero, each.accepted_at - each.began_at) for each in day.submissions]
    latency.scatter(*zip(*calls, strict=True), s=3, label="submit() took")
    waits = [(at - zero, max(seconds, 0.001)) for at, seconds in pickups_of(day)]
    latency.scatter(*zip(*waits, strict=True), s=3, label="from accepted to begun")
    latency.set_yscale("log")
    latency.set_ylabel("seconds")
    latency.legend(loc="upper right", markerscale=3)
    for place, name in enumerate(CIRCUITS):
        values = [sample.circuits[name] + 3.5 * place for sample in samples]
        states.step([sample.at - zero for sample in samples], values, where="post", linewidth=1)
    states.set_yticks(
        [value + 3.5 * place for place in range(len(CIRCUITS)) for value in range(3)],
        [f"{name} {state}" for name in CIRCUITS for state in STATES],
    )
    states.set_xlabel("seconds")
    for (begin, what), (end, _) in zip(day.marks, day.marks[1:], strict=False):
        for axes in (rates, latency, states):
            if what in COLOURS:
                axes.axvspan(begin - zero, end - zero, color=COLOURS[what], alpha=0.5, linewidth=0)
    rates.set_title("a day of PostgreSQL: well, slow (each reply over 1 s), well, dead (kill -9), well")
    figure.savefig(out, dpi=100)


if __name__ == "__main__":
    main()
