"""hydra, as its users run it: an Engine that submits, `hydra start` with one worker that drains.

python benches/peers/with_hydra.py URL [--seconds 3] [--executions 5000] [--samples 100] [--json FILE]
"""

from __future__ import annotations

import sys
from pathlib import Path

import jobs

sys.path.append(str(Path(__file__).parents[1]))

import app
import hydra
import pickup_app
from node import supervisor
from server import durability

IN_BULK = 20_000
NODE = ("--workers", "1", "--concurrency", "512")
WORKFLOWS = {jobs.DRAIN_NONE: app.no_step, jobs.DRAIN_ONE: app.one_step, jobs.DRAIN_TEN: app.ten_steps}


def main() -> None:
    chosen = jobs.options(__doc__)
    report = jobs.Report("hydra", durability("sqlite") if chosen.url.startswith("sqlite") else jobs.POSTGRES)
    with hydra.Engine(chosen.url, namespace="submitted") as engine:
        engine.stats()

        def one(caller: int) -> int:
            engine.submit(app.one_step.bind(jobs.PAYLOAD))
            return 1

        def bulk(caller: int) -> int:
            engine.submit_many([app.one_step.bind(jobs.PAYLOAD) for _ in range(IN_BULK)])
            return IN_BULK

        jobs.submit_rows(report, chosen.seconds, one, bulk)

    with supervisor(chosen.url, *NODE, module="pickup_app"), hydra.Engine(chosen.url) as engine:
        submit = pickup_app.started_at.bind
        jobs.pickup_row(report, chosen.samples, lambda: engine.submit(submit()), lambda handle: handle.result(60))

    for name, workflow in WORKFLOWS.items():
        own = workflow.name  # a namespace for each: what is left of the one before is in nobody's way
        with hydra.Engine(chosen.url, own) as engine:
            priority = -1  # behind the one by which the supervisor shows that it is ready
            engine.submit_many([workflow.bind(jobs.PAYLOAD) for _ in range(chosen.executions)], priority=priority)
            with supervisor(chosen.url, *NODE, namespace=own):
                count = lambda engine=engine, own=own: done(engine, own)  # noqa: E731
                jobs.drain_row(report, name, chosen.executions, chosen.seconds, count, settle_seconds=0)
    report.save(chosen.json)


def done(engine: hydra.Engine, label: str) -> int:
    return engine.stats().counts.get(label, {}).get("completed", 0)


if __name__ == "__main__":
    main()
