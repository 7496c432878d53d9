"""How slow may a database answer before a node's lease runs out? One node in this process, behind a slow proxy.

    python -m tests.processes.slow_lease --store postgres --parts 20,10,8,6,5,4

In each run every reply takes the lease divided by one of these parts. `lapses` are beats that were answered after the
lease had run out.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hydra
from hydra import clock
from hydra.node.local import LocalWorker

from tests.servers import mysql, postgres
from tests.servers.slow_proxy import SlowProxy, at_once

TTL_SECONDS = 2.0
WAIT_SECONDS = 100.0


@hydra.step
def slow_lease_step(number: int) -> int:
    return number


@hydra.workflow
def slow_lease_work(count: int) -> int:
    """A few records, and a timer in between."""
    before = sum(slow_lease_step(number) for number in range(count))
    hydra.sleep(0.05)
    return before + slow_lease_step(1)


class Lapses:
    """Watches the lease page of a node in this process."""

    def __init__(self) -> None:
        self.count = 0
        self.extended_count = 0
        self._deadline_ns = 0
        self._changed = threading.Condition()
        self._set = clock.LeasePage.set

    @contextmanager
    def watching(self) -> Iterator[None]:
        watcher = self

        def noting(page: clock.LeasePage, deadline_ns: int, offset_us: int) -> None:
            watcher._note(deadline_ns)
            watcher._set(page, deadline_ns, offset_us)

        clock.LeasePage.set = noting  # type: ignore[method-assign]
        try:
            yield
        finally:
            clock.LeasePage.set = self._set  # type: ignore[method-assign]

    def wait_for(self, count: int) -> None:
        """Until it was extended so many times more."""
        with self._changed:
            wanted = self.extended_count + count
            assert self._changed.wait_for(lambda: self.extended_count >= wanted, WAIT_SECONDS)

    def _note(self, deadline_ns: int) -> None:
        if not deadline_ns:
            return
        with self._changed:
            self.count += self._deadline_ns != 0 and clock.boottime_ns() > self._deadline_ns
            self.extended_count += 1
            self._deadline_ns = deadline_ns
            self._changed.notify_all()


def keep(url: str, slow_url: str, proxy: SlowProxy, parts: float, executions: int) -> Lapses:
    """Work that is submitted and done while each reply takes that part of the lease."""
    lapses = Lapses()
    worker = LocalWorker(slow_url, concurrency=4 * executions, lease_ttl_seconds=TTL_SECONDS)
    with hydra.Engine(url) as engine, lapses.watching(), worker:
        assert engine.submit(slow_lease_work.bind(2)).result(timeout=WAIT_SECONDS) == 2
        proxy.delay = lambda: TTL_SECONDS / parts
        try:
            lapses.wait_for(2)
            handles = [engine.submit(slow_lease_work.bind(2)) for _ in range(executions)]
            assert [handle.result(timeout=WAIT_SECONDS) for handle in handles] == [2] * executions
        finally:
            proxy.delay = at_once
    return lapses


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--store", choices=("postgres", "mysql"), default="postgres")
    options.add_argument("--parts", default="20,10,8,6,5,4")
    options.add_argument("--executions", type=int, default=10)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = (postgres.PostgresServer() if chosen.store == "postgres" else mysql.MysqlServer()).start()
        for parts in map(float, chosen.parts.split(",")):
            url, slow_url, proxy = behind_a_proxy(server, Path(folder) / f"{parts:g}")
            began = time.monotonic()
            lapses = keep(url, slow_url, proxy, parts, chosen.executions)
            seconds = time.monotonic() - began
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            print(
                f"a reply takes 1/{parts:g} of the lease: {lapses.count} lapses in {lapses.extended_count} beats, "
                f"{chosen.executions} executions in {seconds:.1f} s, at most {memory} MB"
            )
            proxy.close()
        server.destroy()


def behind_a_proxy(server: postgres.PostgresServer | mysql.MysqlServer, folder: Path) -> tuple[str, str, SlowProxy]:
    folder.mkdir()
    if isinstance(server, mysql.MysqlServer):
        url, socket, name, query = mysql.create_database(server), server.socket, "s", f"unix_socket={folder}/s"
    else:
        name = f".s.PGSQL.{server.port}"
        url, socket, query = postgres.create_database(server), server.socket_folder / name, f"host={folder}"
    return url, f"{url.partition('?')[0]}?{query}", SlowProxy(folder / name, socket)


if __name__ == "__main__":
    main()
