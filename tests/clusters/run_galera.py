"""hydra on Galera with one writer behind a proxy: `python -m tests.clusters.run_galera [kill|quorum]`.

kill    the member that is written to dies, the proxy leads to another one
quorum  the two others die: the writer refuses with error 1047 until one is back
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import pymysql

from tests.clusters.galera import PROXY, Galera
from tests.clusters.patroni import until
from tests.clusters.trial import Trial, report

EXECUTIONS = 40
FAULTS = ("kill", "quorum")
REFUSED_SECONDS = 15.0


def answers() -> bool:
    try:
        with pymysql.connect(
            host="127.0.0.1", port=PROXY, user="root", connect_timeout=2, read_timeout=2
        ) as connection:
            connection.cursor().execute("select 1 from mysql.user limit 1")
            return True
    except pymysql.Error:
        return False


def run(fault: str) -> None:
    cluster = Galera()
    try:
        cluster.start()
        until(answers)
        with tempfile.TemporaryDirectory() as folder:
            trial = Trial(Path(folder), cluster.url)

            def strike() -> float:
                if fault == "kill":
                    cluster.kill(1)
                else:
                    cluster.kill(2, 3)
                    time.sleep(REFUSED_SECONDS)
                    with cluster.connect(1) as connection:  # what an operator does who knows that the others are gone
                        connection.cursor().execute("set global wsrep_provider_options = 'pc.bootstrap=1'")
                until(answers)
                return time.time()

            report(f"galera, {fault}", strike, trial, EXECUTIONS)
    finally:
        cluster.stop()


if __name__ == "__main__":
    for each in sys.argv[1:] or FAULTS:
        run(each)
