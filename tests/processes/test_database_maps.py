"""`hydra start --db-map`: nodes of several databases that share nothing, and a namespace that moves to a new one."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import hydra
import pytest
from hydra.move import move
from hydra.node.many_nodes import URL_VARIABLE

from tests.processes import mapped_app
from tests.processes.scene import ROOT, WAIT_SECONDS, is_alive, until
from tests.servers.postgres import PostgresServer

NAMES = ("north", "south", "west")
LEASE_SECONDS = 2.0
START_SECONDS = 240.0  # several nodes at once, each of which imports everything


class Fleet:
    """`hydra start --db-map` and the file it reads."""

    def __init__(self, folder: Path, urls: dict[str, str], module: str = "tests.processes.mapped_app") -> None:
        self.file = folder / "databases"
        self.write(urls)
        self.log = str(folder / "notes")
        self._output = folder / "nodes.log"
        command = [sys.executable, "-m", "hydra.cli", "start", module, "--workers", "1"]
        with self._output.open("wb") as stream:
            self.process = subprocess.Popen(
                [*command, "--lease-ttl", f"{LEASE_SECONDS:g}s", "--db-map", str(self.file)],
                cwd=ROOT,
                stdout=stream,
                stderr=stream,
            )

    def write(self, urls: dict[str, str]) -> None:
        self.file.write_text("".join(f"{name} {url}\n" for name, url in urls.items()))

    def text(self) -> str:
        return self._output.read_text()

    def nodes(self) -> dict[str, int]:
        """The process of each namespace's node."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        found = {}
        for pid in path.read_text().split():
            with suppress(OSError):
                told = dict(each.partition("=")[::2] for each in Path(f"/proc/{pid}/environ").read_text().split("\0"))
                if "HYDRA_NAMESPACE" in told:
                    found[told["HYDRA_NAMESPACE"]] = int(pid)
        return found

    def places(self, name: str) -> list[str]:
        """The database of each node that was started for a namespace."""
        return re.findall(rf"^database (\S+), namespace {name}$", self.text(), re.MULTILINE)

    def engine(self, name: str) -> hydra.Engine:
        return hydra.Engine(namespace=name, db_map=self.file)

    def effects(self) -> Counter[str]:
        if not os.path.exists(self.log):
            return Counter()
        whole = Path(self.log).read_text().rpartition("\n")[0]
        return Counter(line.split("\t")[0] for line in whole.splitlines())

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(WAIT_SECONDS)
        print(self.text())


@pytest.fixture
def servers() -> Iterator[list[PostgresServer]]:
    """Three, and a fourth that is new."""
    with ExitStack() as stack:
        found = []
        for _ in range(4):
            server = PostgresServer()
            stack.callback(server.destroy)
            found.append(server.start())
        yield found


@pytest.mark.slow
def test_g2_a_namespace_moves_to_a_fourth_server_under_load_and_the_others_hear_nothing(
    tmp_path: Path, servers: list[PostgresServer]
) -> None:
    old = dict(zip(NAMES, (server.url() for server in servers), strict=False))
    new = {**old, "south": servers[3].url()}
    fleet = Fleet(tmp_path, old)
    stale = dict(old)  # of a program that has read the map before
    done = threading.Event()
    accepted: dict[str, set[str]] = {name: set() for name in NAMES}
    refused: list[str] = []

    def load(name: str) -> None:
        """Submit, and again where a move is under way, until all is over."""
        count = 0
        while not done.wait(0.2):
            key = f"{name}-{count}"
            try:
                with hydra.Engine(namespace=name, db_map=fleet.file) as engine:
                    engine.submit(mapped_app.mapped.bind(fleet.log, key, 3), key=key)
            except hydra.ConfigError as error:
                refused.append(str(error))
                continue
            accepted[name].add(key)
            count += 1

    threads = [threading.Thread(target=load, args=[name]) for name in NAMES]
    try:
        until(lambda: len(fleet.nodes()) == 3, START_SECONDS)
        for thread in threads:
            thread.start()
        until(lambda: all(len(accepted[name]) > 5 for name in NAMES), START_SECONDS)
        before = fleet.nodes()

        # One node is killed: it is started again, the others stay.
        os.kill(before["west"], signal.SIGKILL)
        until(lambda: fleet.nodes().get("west") not in (None, before["west"]), START_SECONDS)
        assert {name: pid for name, pid in fleet.nodes().items() if name != "west"} == {
            name: pid for name, pid in before.items() if name != "west"
        }

        # South leaves the map, is moved, and comes back with its new database.
        fleet.write({name: url for name, url in old.items() if name != "south"})
        fleet.process.send_signal(signal.SIGHUP)
        until(lambda: "south" not in fleet.nodes(), START_SECONDS)
        move(old["south"], new["south"], "south", lease_seconds=LEASE_SECONDS)
        with pytest.raises(hydra.ConfigError, match="was moved to another database; use that one"):
            hydra.Engine(namespace="south", db_map=stale).submit(mapped_app.mapped.bind(fleet.log, "stale", 1))
        fleet.write(new)
        fleet.process.send_signal(signal.SIGHUP)
        count = len(accepted["south"])
        until(lambda: len(accepted["south"]) > count + 5, START_SECONDS)
        assert fleet.nodes()["north"] == before["north"]
        done.set()
        for thread in threads:
            thread.join()

        for name in NAMES:
            with fleet.engine(name) as engine:
                for key in accepted[name]:
                    handle = engine.find("mapped", key)
                    assert handle.result(timeout=START_SECONDS) == name  # its child's, too
                assert engine.audit() == []
        counts = fleet.effects()
        expected = {f"{name} {key} {step}" for name in NAMES for key in accepted[name] for step in range(3)}
        assert expected <= set(counts)
        assert {effect for effect in counts if effect.startswith(("north", "south"))} <= expected | {
            f"{name} {key} child 0" for name in NAMES for key in accepted[name]
        }
        again = {effect: number for effect, number in counts.items() if number > 1}
        assert all(effect.startswith("west") and number == 2 for effect, number in again.items())  # killed in its step
        assert any("has no database for namespace `south`" in sentence for sentence in refused)
    finally:
        done.set()
        fleet.close()
    assert fleet.process.returncode == 0


def test_g2_a_node_by_an_old_map_takes_no_work_and_says_where_to_look(
    tmp_path: Path,
) -> None:
    old, new, other = (f"sqlite:///{tmp_path}/{name}.db" for name in ("old", "new", "other"))
    with hydra.Engine(old, "south") as engine:
        id = engine.submit(mapped_app.mapped.bind(str(tmp_path / "notes"), "one", 1)).id
    move(old, new, "south")
    fleet = Fleet(tmp_path, {"south": old, "north": other})
    try:
        until(lambda: "the node of namespace `south` ended with 2" in fleet.text(), START_SECONDS)
        assert fleet.text().count("takes nothing more: namespace `south` was moved to another database") == 1
        assert fleet.process.poll() is None  # the other namespace has a node
        with hydra.Engine(old, "south") as engine:
            assert engine.get(id).status() == "pending"
        fleet.write({"south": new, "north": other})
        fleet.process.send_signal(signal.SIGHUP)
        with fleet.engine("south") as engine:
            assert engine.get(id).result(timeout=START_SECONDS) == "south"
    finally:
        fleet.close()


def test_g7_a_map_that_cannot_be_read_changes_nothing_and_nodes_do_not_outlive_the_one_that_watches(
    tmp_path: Path,
) -> None:
    fleet = Fleet(tmp_path, {name: f"sqlite:///{tmp_path}/{name}.db" for name in NAMES})
    try:
        until(lambda: fleet.text().count("app `tests.processes.mapped_app`") == 3, START_SECONDS)
        before = fleet.nodes()
        fleet.file.write_text("north\n")
        fleet.process.send_signal(signal.SIGHUP)
        until(lambda: "`north` has no URL, in line 1" in fleet.text(), START_SECONDS)
        assert fleet.nodes() == before
        fleet.process.kill()
        fleet.process.wait()
        until(lambda: not any(is_alive(pid) for pid in before.values()), START_SECONDS)
        assert fleet.text().count("draining for up to") == 3
    finally:
        fleet.close()


def test_a_node_that_is_started_again_stays_where_the_last_good_map_had_it(tmp_path: Path) -> None:
    """The one that watches gives it its database: the file has been edited without a SIGHUP, or cannot be read."""
    urls = {name: f"sqlite:///{tmp_path}/{name}.db" for name in ("north", "south")}
    edited = {**urls, "south": f"sqlite:///{tmp_path}/edited.db"}
    fleet = Fleet(tmp_path, urls)
    try:
        until(lambda: fleet.text().count("app `tests.processes.mapped_app`") == 2, START_SECONDS)

        fleet.write(edited)
        os.kill(fleet.nodes()["south"], signal.SIGKILL)
        until(lambda: len(fleet.places("south")) == 2, START_SECONDS)
        assert fleet.places("south") == [urls["south"]] * 2

        fleet.file.write_text("south\n")
        fleet.process.send_signal(signal.SIGHUP)
        until(lambda: "`south` has no URL, in line 1" in fleet.text(), START_SECONDS)
        os.kill(fleet.nodes()["south"], signal.SIGKILL)
        until(lambda: len(fleet.places("south")) == 3, START_SECONDS)
        assert fleet.places("south") == [urls["south"]] * 3
        assert not (tmp_path / "edited.db").exists()
    finally:
        fleet.close()


def test_g1_a_line_that_was_changed_without_a_move_starts_no_node(tmp_path: Path) -> None:
    """Two namespaces changed to each other: each would begin anew, and charge again what it has charged."""
    old = {name: f"sqlite:///{tmp_path}/{name}.db" for name in ("north", "south")}
    fleet = Fleet(tmp_path, old)
    keys = {name: f"{name}-invoice" for name in old}
    try:
        for name, key in keys.items():
            with fleet.engine(name) as engine:
                assert engine.submit(mapped_app.mapped.bind(fleet.log, key, 1), key=key).result(START_SECONDS) == name

        fleet.write({"north": old["south"], "south": old["north"]})
        fleet.process.send_signal(signal.SIGHUP)
        assert fleet.process.wait(START_SECONDS) == 2, "no other node runs"
        for name in old:
            assert f"namespace `{name}` has nothing in" in fleet.text()
            assert f"still lies in `{old[name]}`, where the map had it before; move it" in fleet.text()
    finally:
        fleet.close()


def test_a_line_that_was_changed_after_a_move_starts_a_node_and_so_does_the_same_database_by_another_url(
    tmp_path: Path,
) -> None:
    old = {name: f"sqlite:///{tmp_path}/{name}.db" for name in ("north", "south")}
    new = {"north": f"{old['north']}?synchronous=full", "south": f"sqlite:///{tmp_path}/new.db"}
    fleet = Fleet(tmp_path, old)
    try:
        with fleet.engine("south") as engine:
            handle = engine.submit(mapped_app.mapped.bind(fleet.log, "invoice", 1), key="invoice")
            assert handle.result(START_SECONDS) == "south"
        fleet.write(new)
        fleet.process.send_signal(signal.SIGHUP)
        until(lambda: "still lies in" in fleet.text(), START_SECONDS)
        until(lambda: new["north"] in fleet.places("north"), START_SECONDS)

        move(old["south"], new["south"], namespace="south")
        fleet.process.send_signal(signal.SIGHUP)
        until(lambda: f"1 workers of 64, database `{new['south']}`" in fleet.text(), START_SECONDS)
        with fleet.engine("south") as engine:
            assert engine.submit(mapped_app.mapped.bind(fleet.log, "invoice", 1), key="invoice").id == handle.id
    finally:
        fleet.close()


def test_a_sighup_that_comes_before_the_map_is_read_is_not_lost_and_ends_nobody() -> None:
    text = """
import os, signal, sys
sys.argv[1:] = ["start"]
import hydra.cli.hangup
os.kill(os.getpid(), signal.SIGHUP)
from hydra.node.many_nodes import ManyNodes
looks = []
def read_map():
    looks.append(len(looks))
    if not looks[-1]:
        os.kill(os.getpid(), signal.SIGHUP)
    return {"north": "sqlite:///none.db"}
print(ManyNodes(["sh", "-c", "trap '' HUP; sleep 1"], read_map).run(), looks)
"""
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=START_SECONDS)
    assert done.stdout == "0 [0, 1]\n", done.stderr


def test_an_app_does_not_see_the_variable_that_its_node_got_its_database_by(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/north.db"
    fleet = Fleet(tmp_path, {"north": url})
    try:
        with fleet.engine("north") as engine:
            assert engine.submit(mapped_app.variable.bind(URL_VARIABLE)).result(timeout=START_SECONDS) == ""
        assert fleet.places("north") == [url]
    finally:
        fleet.close()


def test_the_last_node_that_ends_is_not_said_to_be_started_again(tmp_path: Path) -> None:
    """This one goes with it: nobody is left to hear a SIGHUP."""
    fleet = Fleet(tmp_path, {"north": f"sqlite:///{tmp_path}/north.db"}, module="tests.processes.no_such_app")
    try:
        assert fleet.process.wait(START_SECONDS) == 2
        assert "the node of namespace `north` ended with 2; no other runs, so this process ends, too" in fleet.text()
        assert "SIGHUP" not in fleet.text()
    finally:
        fleet.close()
