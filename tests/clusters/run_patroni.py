"""hydra on Patroni: `python -m tests.clusters.run_patroni [FAULT] [sync|async]`, two minutes each.

kill      the leader's machine is gone
freeze    it stands still for good; a synchronous standby is promoted
thaw      it stands still, another is promoted and written to, then it goes on without a watchdog having stopped it
switch    an administrator gives the lead to another member
failback  it is killed, another is promoted and written to, it comes back (`pg_rewind`), and gets the lead again
lossy     it confirms what reaches no standby for some seconds, then its machine is gone; for `async`
one       no cluster: one server is killed and started again 20 s later, to compare with
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import psycopg

from tests.clusters.patroni import Patroni, until
from tests.clusters.trial import Trial, report
from tests.servers.postgres import PostgresServer

EXECUTIONS = 40
FAULTS = ("kill", "freeze", "thaw", "switch", "failback")
LOSSY_SECONDS = 2.0
DOWN_SECONDS = 20.0  # Patroni's `ttl`, which its own failover costs


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

            def led_by_another(old: int) -> bool:
                return cluster.leader() not in (None, old) and answers(cluster.url)

            def strike() -> float:
                strikes = {
                    "freeze": cluster.freeze_leader,
                    "thaw": cluster.freeze_leader,
                    "switch": cluster.switch_over,
                    "lossy": lambda: cluster.kill_leader_that_replicates_no_more(LOSSY_SECONDS),
                }
                old = strikes.get(fault, cluster.kill_leader)()
                until(lambda: led_by_another(old))
                answered = time.time()
                if fault == "thaw":
                    trial.runs(len(trial.effects()) + EXECUTIONS)
                    cluster.thaw()
                if fault == "failback":
                    trial.runs(len(trial.effects()) + EXECUTIONS)
                    cluster.start_member(old)
                    until(cluster.is_healthy)
                    second = cluster.switch_over()
                    until(lambda: led_by_another(second))
                return answered

            report(f"patroni {mode}, {fault}", strike, trial, EXECUTIONS)
    finally:
        cluster.stop()


def run_one_server() -> None:
    server = PostgresServer().start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            trial = Trial(Path(folder), server.url())

            def strike() -> float:
                server.kill()
                time.sleep(DOWN_SECONDS)
                server.start()
                return time.time()

            report("one server, killed", strike, trial, EXECUTIONS)
    finally:
        server.destroy()


if __name__ == "__main__":
    chosen = sys.argv[1:2] or (*FAULTS, "one")
    for each in chosen:
        if each == "one":
            run_one_server()
        else:
            run(each, (sys.argv[2:] or ["sync"])[0])
