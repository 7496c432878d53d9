"""How a supervisor starts, and what it says when it cannot."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import hydra
import pytest

from tests.processes import apps
from tests.processes.conftest import on_sqlite
from tests.processes.scene import Scene, until
from tests.servers import mysql


def write_app(scene: Scene, text: str) -> None:
    Path(scene.folder, "broken.py").write_text(text)


def test_an_app_that_does_not_import_ends_with_its_traceback_and_2(scene: Scene) -> None:
    write_app(scene, "def prepare():\n    raise RuntimeError('no licence')\n\nprepare()\n")
    node = scene.start("broken", folder=scene.folder)
    assert node.wait() == 2
    lines = node.text().splitlines()
    assert lines[-1] == "error: app `broken` does not import: RuntimeError: no licence"
    assert lines[0] == "Traceback (most recent call last):"
    assert "zygote.py" not in node.text()
    assert "importlib" not in node.text()


def test_an_app_that_is_not_there_ends_with_one_sentence_and_2(scene: Scene) -> None:
    node = scene.start("absent", folder=scene.folder)
    assert node.wait() == 2
    assert node.text().splitlines()[-1].startswith(f"error: no module `absent` in `{scene.folder}`")


def test_a_module_the_app_misses_is_named_as_the_apps_failure(scene: Scene) -> None:
    write_app(scene, "import not_there\n")
    node = scene.start("broken", folder=scene.folder)
    assert node.wait() == 2
    assert node.text().splitlines()[-1].startswith("error: app `broken` does not import: ModuleNotFoundError")


def test_an_app_that_exits_while_it_is_imported_ends_with_2(scene: Scene) -> None:
    write_app(scene, "import os\nos._exit(7)\n")
    node = scene.start("broken", folder=scene.folder)
    assert node.wait() == 2
    assert "with code 7" in node.text()


def test_two_workflows_of_one_name_end_with_2(scene: Scene) -> None:
    twice = "@hydra.workflow(name='bill')\ndef {}() -> None: ...\n"
    write_app(scene, "import hydra\n" + twice.format("one") + twice.format("two"))
    node = scene.start("broken", folder=scene.folder)
    assert node.wait() == 2
    assert "two workflows are named `bill`" in node.text()


def test_an_app_without_workflows_is_a_warning(scene: Scene) -> None:
    write_app(scene, "")
    node = scene.start("broken", folder=scene.folder)
    until(lambda: "defines no workflow" in node.text())
    assert node.stop() == 0


def test_threads_started_by_the_import_are_a_warning_that_names_them(scene: Scene) -> None:
    write_app(
        scene,
        "import threading, hydra\n"
        "threading.Thread(target=threading.Event().wait, name='metrics-flusher', daemon=True).start()\n",
    )
    node = scene.start("broken", folder=scene.folder)
    until(lambda: "`metrics-flusher`" in node.text())


@pytest.mark.parametrize("bad_url", ["sqlite:////proc/no.db", "mongodb://here/now"])
def test_a_database_that_cannot_be_is_one_sentence_and_2(scene: Scene, bad_url: str) -> None:
    node = scene.start(url=bad_url)
    assert node.wait() == 2
    assert node.text().startswith("error: ")
    assert len(node.text().splitlines()) == 1


def test_g7_a_full_disk_is_one_sentence_and_1(scene: Scene) -> None:
    node = scene.start(url="sqlite:////dev/full")
    assert node.wait() == 1
    assert node.text() == "error: the database `/dev/full` cannot grow: the disk is full; make room and try again\n"


def test_a_file_that_is_no_database_is_one_sentence_and_2(scene: Scene) -> None:
    file = scene.folder / "letter.txt"
    file.write_text("Dear Sir or Madam, " * 300)
    node = scene.start(url=f"sqlite:///{file}")
    assert node.wait() == 2
    assert node.text().startswith("error: ")
    assert "is not a SQLite database" in node.text()


def test_g1_a_database_that_would_lose_what_it_accepts_is_a_warning(scene: Scene) -> None:
    if scene.url.startswith("mysql"):
        with mysql.connect(scene.url) as root:
            root.query("set global innodb_flush_log_at_trx_commit = 2")
            try:
                node = scene.start()
                until(lambda: "node `" in node.text())
            finally:
                root.query("set global innodb_flush_log_at_trx_commit = 1")
    else:
        weak = "synchronous=normal"
        if scene.url.startswith("postgresql"):
            weak = "options=-c%20synchronous_commit%3Doff"
        url = scene.url.replace("hydra@", "hydra:s3cr3t-PW@")
        node = scene.start(url=f"{url}{'&' if '?' in url else '?'}{weak}")
        until(lambda: "node `" in node.text())
    (told,) = [line for line in node.text().splitlines() if "(G1" in line]
    assert re.search("`(synchronous|synchronous_commit|innodb_flush_log_at_trx_commit) ?= ?(normal|off|2)`", told)
    assert "s3cr3t-PW" not in node.text()
    assert node.stop() == 0


@on_sqlite  # what is imported does not depend on the database
def test_spawn_imports_the_app_in_each_worker(scene: Scene) -> None:
    node = scene.start(spawn=True, workers=2)
    handle = scene.engine.submit(apps.held.bind(scene.log, str(scene.gate)))
    note = scene.first_note()
    os.kill(note.worker, 9)
    assert scene.first_note(count=2).worker != note.worker
    scene.gate.touch()
    assert handle.result(timeout=30) == "released"
    assert node.stop() == 0


def test_json_logs_are_one_object_a_line(scene: Scene) -> None:
    node = scene.start(log_format="json")
    assert scene.engine.submit(apps.count.bind(2)).result(timeout=30) == 1
    assert node.stop() == 0
    lines = [json.loads(line) for line in node.text().splitlines()]
    assert {"at", "level", "logger", "message", "pid"} <= set(lines[0])
    assert any("draining" in line["message"] for line in lines)


def test_importing_the_supervisor_imports_no_app_and_starts_no_thread() -> None:
    program = "import threading, sys, hydra.node.supervisor; print(threading.active_count(), 'tests' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert answer.stdout.split() == ["1", "False"]


CONNECTING = """
import socket, threading
import hydra
server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname())
threading.Thread(target=threading.Event().wait, name="metrics-flusher", daemon=True).start()
"""


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("spawn", [False, True], ids=["fork", "spawn"])
def test_connections_opened_by_the_import_are_named_unless_each_worker_imports(scene: Scene, spawn: bool) -> None:
    write_app(scene, CONNECTING)
    node = scene.start("broken", folder=scene.folder, spawn=spawn)
    until(lambda: "node `" in node.text())
    assert ("opens connections while it is imported (`127.0.0.1:" in node.text()) is not spawn
    assert ("`metrics-flusher`" in node.text()) is not spawn


def test_a_node_without_payload_keys_drains_once_others_encrypt(scene: Scene) -> None:
    """It could run nothing of theirs, and would write plain payloads beside theirs."""
    node = scene.start()
    assert scene.engine.submit(apps.count.bind(3)).result(timeout=60) == 3
    with hydra.Engine(scene.url, payload_keys=hydra.PayloadKeys({"k1": bytes(range(32))}, "k1")) as engine:
        engine.audit()
        assert node.wait() == 0
        handle = engine.submit(apps.count.bind(3))
        assert node.text().count("this node has no payload keys: it drains and ends") == 1
        assert scene.start().wait() == 2
        assert handle.status() == "pending"
