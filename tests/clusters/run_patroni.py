"""hydra on Patroni: `python -m tests.clusters.run_patroni [kill|freeze|thaw] [sync|async]`, two minutes each.

kill    the leader's machine is gone
freeze  it stands still for good; a synchronous standby is promoted
thaw    it stands still, another is promoted and written to, then it goes on without a watchdog having stopped it
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import psycopg

from tests.clusters.patroni import Patroni, until
from tests.clusters.trial import Trial, report

EXECUTIONS = 40
FAULTS = ("kill", "freeze", "thaw")


def answers(url: str) -> bool:
    try:
        with psycopg.connect(url, connect_timeout=2) as connection:
            return connection.execute("select not pg_is_in_recovery()").fetchone() == (True,)
    except psycopg.Error:
        return False


def run(fault: str, mode: str) -> None:
    cluster = Patroni(synchronous=mode == "sync")
    try:
        cluster.start()
        with tempfile.TemporaryDirectory() as folder:
            trial = Trial(Path(folder), cluster.url)

            def strike() -> float:
                old = cluster.kill_leader() if fault == "kill" else cluster.freeze_leader()
                until(lambda: cluster.leader() not in (None, old) and answers(cluster.url))
                answered = time.time()
                if fault == "thaw":
                    trial.runs(len(trial.effects()) + EXECUTIONS)
                    cluster.thaw()
                return answered

            report(f"patroni {mode}, {fault}", strike, trial, EXECUTIONS)
    finally:
        cluster.stop()


if __name__ == "__main__":
    chosen = sys.argv[1:2] or FAULTS
    for each in chosen:
        run(each, (sys.argv[2:] or ["sync"])[0])
