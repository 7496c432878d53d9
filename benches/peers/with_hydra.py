"""hydra, as its users run it: an Engine that submits, `hydra start` with one worker that drains.

python benches/peers/with_hydra.py URL [--seconds 3] [--executions 5000] [--json FILE]
"""

from __future__ import annotations

import sys
from pathlib import Path

import jobs

sys.path.append(str(Path(__file__).parents[1]))

import app
import hydra
from node import supervisor

IN_BULK = 20_000
WORKFLOWS = {jobs.DRAIN_NONE: app.no_step, jobs.DRAIN_ONE: app.one_step, jobs.DRAIN_TEN: app.ten_steps}


def main() -> None:
    chosen = jobs.options(__doc__)
    report = jobs.report("hydra")
    with hydra.Engine(chosen.url, namespace="submitted") as engine:
        engine.stats()

        def one(caller: int) -> int:
            engine.submit(app.one_step.bind(jobs.PAYLOAD))
            return 1

        def bulk(caller: int) -> int:
            engine.submit_many([app.one_step.bind(jobs.PAYLOAD) for _ in range(IN_BULK)])
            return IN_BULK

        jobs.submit_row(report, jobs.SUBMIT_ONE, chosen.seconds, 1, one)
        jobs.submit_row(report, jobs.SUBMIT_EIGHT, chosen.seconds, 8, one)
        jobs.submit_row(report, jobs.SUBMIT_BULK, chosen.seconds, 1, bulk)

    for name, workflow in WORKFLOWS.items():
        with hydra.Engine(chosen.url) as engine:
            priority = -1  # behind the one by which the supervisor shows that it is ready
            engine.submit_many([workflow.bind(jobs.PAYLOAD) for _ in range(chosen.executions)], priority=priority)
            before = jobs.cpu_seconds()
            label = workflow.name
            with supervisor(chosen.url, "--workers", "1", "--concurrency", "512"):

                def done(engine: hydra.Engine = engine, label: str = label) -> int:
                    return engine.stats().counts.get(label, {}).get("completed", 0)

                jobs.drain_row(report, name, chosen.executions, done, before)
    report.save(chosen.json)


if __name__ == "__main__":
    main()
