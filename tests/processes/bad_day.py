"""A bad day for one node and some clients, all behind a proxy: PostgreSQL is slow, recovers, dies, and comes back.

`tests/processes/test_bad_day.py` has it in seconds, `benches/bad_day.py` in five minutes and draws it.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlsplit

import hydra
from hydra import _core
from hydra.dispatch.circuits import NodeCircuits
from hydra.errors import StoreUnavailable

from tests.processes import bad_day_app
from tests.processes.scene import Scene, until
from tests.processes.test_http import Scrape, address, get
from tests.servers.postgres import PostgresServer, create_database
from tests.servers.slow_proxy import SlowProxy, at_once, between

SLOW_SECONDS = (1.05, 1.5)  # each reply, while the database is slow
CIRCUITS = ("commit", "claim", "heartbeat")
SUBMIT_SECONDS = 120.0  # until a client gives up repeating a submission


class Submission(NamedTuple):
    name: str
    began_at: float
    accepted_at: float


class BadDay:
    """`with BadDay(…) as day`, then what happens in it, then `end` and `check`."""

    def __init__(self, folder: Path, *, clients: int, pause_seconds: float, circuits: NodeCircuits) -> None:
        self.server = PostgresServer().start()
        try:
            self._begin(folder, circuits)
        except BaseException:
            self.server.destroy()
            raise
        self.submissions: list[Submission] = []
        self.marks: list[tuple[float, str]] = []
        self._ends = threading.Event()
        self._failure: BaseException | None = None
        arguments = [(self.slow_url, f"client {number}", pause_seconds) for number in range(clients)]
        self._clients = [threading.Thread(target=self._submit, args=each, daemon=True) for each in arguments]

    def _begin(self, folder: Path, circuits: NodeCircuits) -> None:
        url = create_database(self.server)
        (folder / "slow").mkdir()
        name = f".s.PGSQL.{self.server.port}"
        self.proxy = SlowProxy(folder / "slow" / name, self.server.socket_folder / name)
        self.slow_url = urlsplit(url)._replace(query=f"host={quote(str(folder / 'slow'), safe='')}").geturl()
        self.scene = Scene(folder, url)
        self.scene.engine.stats()  # makes the tables
        self.log = str(folder / "errands")
        self.node = self.scene.start(
            "bad_day_app", url=self.slow_url, http="127.0.0.1:0", lease_ttl_seconds=10.0, circuits=circuits
        )
        self.place = address(self.node)

    def __enter__(self) -> BadDay:
        self.wait_until_ready()
        for client in self._clients:
            client.start()
        self.mark("all is well")
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self.proxy.close()
        self.scene.close()
        self.server.destroy()

    # what happens

    def mark(self, what: str) -> None:
        self.marks.append((time.monotonic(), what))

    def slow_down(self) -> None:
        self.mark("slow")
        self.proxy.delay = between(*SLOW_SECONDS)

    def speed_up(self) -> None:
        self.proxy.delay = at_once
        self.mark("quick again")

    def kill(self) -> None:
        self.server.kill()
        self.mark("dead")

    def start(self) -> None:
        self.server.start()
        self.mark("back")

    def pick_one_up(self) -> float:
        """Submits one more, and says how many seconds passed until it began."""
        name = f"probe {len(self.marks)}"
        began = time.monotonic()
        self.scene.engine.submit(bad_day_app.errand.bind(self.log, name))
        return until(lambda: self.times().get(f"begin {name}"))[0] - began

    # how things are

    def readiness(self) -> str:
        return get(self.place, "/readyz")[1].strip()

    def wait_until_ready(self) -> None:
        until(lambda: self.readiness() == "ok")

    def circuits(self) -> dict[str, int]:
        """0 closed, 1 half-open, 2 open."""
        scrape = Scrape(self.place)
        return {name: int(scrape.value("circuit_state", circuit=name)) for name in CIRCUITS}

    def times(self) -> dict[str, list[float]]:
        """When each step ran: once, if all is well."""
        path = Path(self.log)
        found: dict[str, list[float]] = {}
        for line in path.read_text().splitlines() if path.exists() else []:
            word, _, at = line.partition("\t")
            found.setdefault(word, []).append(float(at))
        return found

    def end(self) -> None:
        """Clients stop, everything is done."""
        self._ends.set()
        for client in self._clients:
            client.join(SUBMIT_SECONDS)
            assert not client.is_alive(), "a client hangs"
        if self._failure is not None:
            raise self._failure
        names = {submission.name for submission in self.submissions}
        until(lambda: {f"finish {name}" for name in names} <= self.times().keys(), 60)
        open_statuses = ("pending", "running", "sleeping", "waiting")
        engine = self.scene.engine
        until(lambda: not any(counts.get(each) for counts in engine.stats().counts.values() for each in open_statuses))

    def check(self) -> None:
        """Nothing lost, nothing doubled."""
        times = self.times()
        for submission in self.submissions:
            assert len(times[f"begin {submission.name}"]) == len(times[f"finish {submission.name}"]) == 1
        counts = self.scene.engine.stats().counts["errand"]
        assert set(counts) == {"completed"}
        assert counts["completed"] == len(times) / 2
        assert self.node.stop() == 0
        assert self.scene.engine.audit() == []

    def _submit(self, url: str, client: str, pause_seconds: float) -> None:
        number = 0
        try:
            with hydra.Engine(url) as engine:
                while not self._ends.wait(pause_seconds):
                    number += 1
                    self.submissions.append(self._submit_one(engine, f"{client} {number}"))
        except BaseException as error:
            self._failure = error

    def _submit_one(self, engine: hydra.Engine, name: str) -> Submission:
        """Repeated under its id until the database has said that it is there."""
        id, began = str(_core.uuid7()), time.monotonic()
        while True:
            try:
                engine.submit(bad_day_app.errand.bind(self.log, name), id=id)
                return Submission(name, began, time.monotonic())
            except StoreUnavailable:
                if time.monotonic() - began > SUBMIT_SECONDS:
                    raise
                time.sleep(0.05)
