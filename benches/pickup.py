"""How long from submit to the first instruction of the body, on an idle system and under a burst?

    python benches/pickup.py [--samples 300] [--burst 1000] [--workers 2] [--url sqlite|postgres|mysql|URL]

Pickup = the time the body reads with its first instruction minus the time before `submit` was called (one host, one
clock). The time inside `submit`, which makes it durable, is part of it. After the burst: how long until a median pickup
is at most twice what it was before?
"""

from __future__ import annotations

import argparse
import random
import time

import hydra
import pickup_app
from machine import Report, percentile
from node import supervisor
from server import add_options, database, durability

CALM_SAMPLES = 20  # pickups that are looked at together


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--samples", type=int, default=300)
    options.add_argument("--burst", type=int, default=1000)
    options.add_argument("--workers", type=int, default=2)
    add_options(options)
    chosen = options.parse_args()
    report = Report("how long from submit to the body's first instruction?", durability(chosen.url))
    with (
        database(chosen.url) as url,
        supervisor(url, "--workers", str(chosen.workers), module="pickup_app"),
        hydra.Engine(url) as engine,
    ):
        idle = [one(engine) for _ in range(chosen.samples)]
        show(report, f"idle, {chosen.workers} workers, one at a time", idle)
        began = time.time()
        handles = engine.submit_many([pickup_app.started_at.bind() for _ in range(chosen.burst)])
        show(
            report,
            f"{chosen.burst} at once, {chosen.workers} workers",
            [1000 * (h.result(timeout=300) - began) for h in handles],
        )
        ended = time.time()
        calm = 2 * percentile(idle, 0.5)
        samples = [one(engine) for _ in range(CALM_SAMPLES)]
        while percentile(samples[-CALM_SAMPLES:], 0.5) > calm:
            samples.append(one(engine))
        rows = {"samples": len(samples), "calm_ms": round(calm, 2), "worst": round(max(samples), 2)}
        report.row("until pickup is as before", time.time() - ended, "s", **rows)
    report.save(chosen.json)


def one(engine: hydra.Engine) -> float:
    """Milliseconds of one pickup after a short pause."""
    time.sleep(random.uniform(0.005, 0.03))
    began = time.time()
    return 1000 * (engine.submit(pickup_app.started_at.bind()).result(timeout=60) - began)


def show(report: Report, what: str, milliseconds: list[float]) -> None:
    report.row(
        what,
        percentile(milliseconds, 0.5),
        "ms p50",
        p95=round(percentile(milliseconds, 0.95), 2),
        p99=round(percentile(milliseconds, 0.99), 2),
        worst=round(max(milliseconds), 2),
        within_5s=f"{100 * sum(m <= 5000 for m in milliseconds) / len(milliseconds):.1f} %",
    )


if __name__ == "__main__":
    main()
