"""Does waiting work grow with the workers, up to a hundred; and does fast work start beside slow work?

    python benches/workers.py [--workers 1,10,50,100] [--rounds 4] [--url sqlite|postgres|mysql|URL]

One supervisor. Each step waits a second, two in each worker at a time, as calls of another program do: cores do not
bound it. Ideal: as many a second as there are places. Then all places but one of each worker are taken by slow steps,
and fast ones come one by one: how long until each begins?
"""

from __future__ import annotations

import argparse
import time

import hydra
import workers_app
from machine import Report, percentile
from node import supervisor, wait_until
from server import add_options, database, durability

PLACES = 2  # of each worker
STEP_SECONDS = 1.0
SLOW_SECONDS = 60.0
FAST_SAMPLES = 100
RESULT_SECONDS = 600.0


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--workers", default="1,10,50,100")
    options.add_argument("--rounds", type=int, default=4, help="executions for each place")
    options.add_argument("--slow-seconds", type=float, default=SLOW_SECONDS)
    add_options(options)
    chosen = options.parse_args()
    report = Report("does waiting work grow with the workers?", durability(chosen.url))
    for workers in map(int, chosen.workers.split(",")):
        with (
            database(chosen.url) as url,
            supervisor(url, *("--workers", str(workers), "--concurrency", str(PLACES)), module="workers_app"),
            hydra.Engine(url) as engine,
        ):
            warm(engine, workers)
            measure(report, engine, workers, chosen.rounds)
            measure_fast(report, engine, workers, chosen.slow_seconds)
    report.save(chosen.json)


def warm(engine: hydra.Engine, workers: int) -> None:
    """Every worker has been started, and has had something to do."""
    for handle in engine.submit_many([workers_app.calling.bind(0.1) for _ in range(2 * workers * PLACES)]):
        handle.result(timeout=RESULT_SECONDS)


def measure(report: Report, engine: hydra.Engine, workers: int, rounds: int) -> None:
    places = workers * PLACES
    began = time.time()
    handles = engine.submit_many([workers_app.calling.bind(STEP_SECONDS) for _ in range(rounds * places)])
    for handle in handles:
        handle.result(timeout=RESULT_SECONDS)
    rate = len(handles) / (time.time() - began)
    report.row(
        f"{workers} workers, {places} places, steps of {STEP_SECONDS:g} s",
        rate,
        "executions/s",
        of_ideal=round(rate / (places / STEP_SECONDS), 3),
    )


def measure_fast(report: Report, engine: hydra.Engine, workers: int, slow_seconds: float) -> None:
    slow = engine.submit_many([workers_app.calling.bind(slow_seconds) for _ in range(workers * (PLACES - 1))])
    wait_until(lambda: engine.stats().counts["calling"].get("running", 0) == len(slow), RESULT_SECONDS, 0.05)
    milliseconds = []
    for _ in range(FAST_SAMPLES):
        began = time.time()
        milliseconds.append(1000 * (engine.submit(workers_app.calling.bind(0.0)).result(timeout=60) - began))
    report.row(
        f"a fast one beside {len(slow)} slow ones",
        percentile(milliseconds, 0.5),
        "ms p50",
        p99=round(percentile(milliseconds, 0.99), 2),
        worst=round(max(milliseconds), 2),
        slow_still_running=engine.stats().counts["calling"].get("running", 0),
    )
    for handle in slow:
        handle.cancel()


if __name__ == "__main__":
    main()
