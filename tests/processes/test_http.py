"""`hydra start --http`: what a supervisor's metrics count in a real run, and when it calls itself alive and ready."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import hydra
import pytest
from hydra.observability.http import MAX_CONNECTIONS
from prometheus_client.parser import text_string_to_metric_families

from tests.processes import apps
from tests.processes import fates_app as fates
from tests.processes.scene import Node, Scene, until
from tests.servers.mysql import MysqlServer
from tests.servers.postgres import PostgresServer, create_database
from tests.servers.roles import make_mysql_roles

ANY_PORT = "127.0.0.1:0"
COUNTERS = {
    "circuit_transitions", "executions_finished", "executions_submitted", "leases_acquired", "leases_lost",
    "leases_taken_over", "heartbeats", "nondeterminism", "pickup_sla", "purged", "schedules_fired", "schedules_missed",
    "step_retries", "steps", "steps_replayed", "store_errors", "store_rewound", "worker_restarts",
}  # fmt: skip
HISTOGRAMS = {
    "commit_batch_size", "execution_duration_seconds", "payload_bytes", "pickup_seconds", "step_duration_seconds",
    "store_operation_seconds", "timer_lag_seconds",
}  # fmt: skip
GAUGES = {
    "backlog", "backlog_age_seconds", "backlog_drain_seconds", "circuit_state", "clock_skew_seconds", "executions_kept",
    "label_backlog",
    "label_backlog_age_seconds", "label_backlog_drain_seconds", "label_unserved", "label_utilization_ratio",
    "parked", "paused", "queue_age_seconds", "queue_depth", "store_connections", "unserved", "utilization_ratio",
    "worker_utilization_ratio", "workers",
}  # fmt: skip


def address(node: Node) -> str:
    def find() -> re.Match[str] | None:
        assert node.process.poll() is None, node.text()
        return re.search(r"metrics and health at http://(\S+)", node.text())

    found = until(find)
    assert found is not None
    return found[1]


def get(place: str, path: str, method: str = "GET", headers: Mapping[str, str] | None = None) -> tuple[int, str]:
    host = urlsplit(f"//{place}")
    connection = HTTPConnection(host.hostname or "", host.port, timeout=20)
    try:
        connection.request(method, path, headers=dict(headers or {}))
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


class Scrape:
    """The samples of one reading of `/metrics`."""

    def __init__(self, place: str) -> None:
        status, text = get(place, "/metrics")
        assert status == 200, text
        self.text = text
        self.families = {
            family.name.removeprefix("hydra_"): family
            for family in text_string_to_metric_families(text)
            if family.name.startswith("hydra_")
        }

    def value(self, name: str, **labels: str) -> float:
        """The sum of all samples with these labels."""
        return sum(
            sample.value
            for family in self.families.values()
            for sample in family.samples
            if sample.name == f"hydra_{name}" and labels.items() <= sample.labels.items()
        )


def test_the_queue_behind_a_password_is_read_and_the_password_is_not_told(
    tmp_path: Path, mysql_server: MysqlServer
) -> None:
    roles = make_mysql_roles(mysql_server)
    with hydra.Engine(roles.owner) as owner:
        owner.migrate()
    with contextlib.closing(Scene(tmp_path, roles.app)) as scene:
        node = scene.start("fates_app", http=ANY_PORT)
        place = address(node)
        scene.engine.submit(fates.fine.bind(), delay=3600)
        until(lambda: Scrape(place).value("queue_depth", status="pending") == 1)
        until(lambda: "node `" in node.text())
        assert "app-secret" not in node.text() + Scrape(place).text


def test_each_series_is_there_and_counts_what_happened(scene: Scene) -> None:
    node = scene.start("fates_app", http=ANY_PORT, metric_tags=["run"])
    place = address(node)
    turn = scene.folder / "turn"
    submit = scene.engine.submit
    diverging = submit(fates.diverge.bind(scene.log, str(turn)))
    scene.first_note("announced")
    turn.touch()
    finished = [submit(bound) for bound in [fates.fine.bind()] * 3 + [fates.ail.bind(), fates.write.bind()]]
    tagged = submit(fates.fine.bind(), tags={"run": "nightly"})
    failed = submit(fates.fail.bind())
    for handle in (*finished, tagged):
        handle.result(timeout=30)
    with pytest.raises(hydra.WorkflowFailed):
        failed.result(timeout=30)
    until(lambda: diverging.status() == "parked")
    held = submit(fates.held.bind(scene.log, str(scene.gate)))
    os.kill(scene.first_note().worker, 9)
    scene.gate.touch()
    held.result(timeout=30)
    poison = submit(fates.poison.bind(scene.log))
    until(lambda: poison.status() == "parked")
    cancelled = submit(fates.fine.bind())
    until(lambda: cancelled.status() == "sleeping")
    cancelled.cancel()
    assert submit(fates.ail.bind()).result(timeout=30) == 3

    found = until(lambda: scrape if (scrape := Scrape(place)).value("parked") == 2 else None)
    assert found.families.keys() == COUNTERS | HISTOGRAMS | GAUGES
    assert all(found.families[name].type == "counter" for name in COUNTERS)
    assert all(found.families[name].type == "histogram" for name in HISTOGRAMS)
    assert all(found.families[name].type == "gauge" for name in GAUGES)
    for family in found.families.values():
        for sample in family.samples:
            assert sample.labels["namespace"] == "default"
    for handle in (*finished, tagged, failed, diverging, held, poison):
        assert handle.id not in found.text

    ends = {(name, status): found.value("executions_finished_total", workflow=name, status=status)
            for name in ("fine", "ail", "write", "fail", "held") for status in ("completed", "failed")}  # fmt: skip
    assert {end: count for end, count in ends.items() if count} == {
        ("fine", "completed"): 4, ("ail", "completed"): 2, ("write", "completed"): 1, ("fail", "failed"): 1,
        ("held", "completed"): 1,
    }  # fmt: skip
    assert found.value("executions_finished_total", workflow="fine", tag_run="nightly") == 1
    assert found.value("execution_duration_seconds_count") == sum(ends.values())
    slept = 4 * fates.NAP.total_seconds()  # the submitter's and the node's readings of the database's clock differ
    assert slept / 2 < found.value("execution_duration_seconds_sum", workflow="fine")

    tries = {
        (sample.labels["step"], sample.labels["status"]): sample.value
        for sample in found.families["steps"].samples
    }  # fmt: skip
    assert tries == {
        ("work", "completed"): 4 + 4 + 1, ("ailing", "retried"): 4, ("ailing", "completed"): 2,
        ("broken", "failed"): 1, ("inscribe", "completed"): 1, ("hold", "crashed"): 1, ("hold", "completed"): 1,
        ("before", "completed"): 1, ("announce", "completed"): 1, ("die", "crashed"): 3,
    }  # fmt: skip
    assert found.value("step_duration_seconds_count") == sum(tries.values())
    assert found.value("step_retries_total", workflow="ail", step="ailing") == 4
    assert found.value("steps_replayed_total", workflow="fine") == 4
    assert found.value("steps_replayed_total", workflow="diverge") == 2
    assert found.value("nondeterminism_total", workflow="diverge") == 1
    assert found.value("nondeterminism_total") == 1

    assert found.value("worker_restarts_total", reason="signal") == 1 + 3
    assert found.value("worker_restarts_total") == 1 + 3
    claims = found.value("leases_acquired_total")
    assert claims >= 4 + 2 + 1 + 1 + 1 + 1 + 1 + 1 + 4 + 1  # each once, and again after each nap
    assert found.value("pickup_seconds_count") == found.value("pickup_sla_total") == claims
    assert found.value("payload_bytes_count", operation="input") == 12
    assert found.value("payload_bytes_count", operation="step") == 9 + 2 + 1 + 1 + 1 + 1 + 1
    assert found.value("payload_bytes_count", operation="result") == sum(ends.values())
    assert found.value("timer_lag_seconds_count") >= 1
    assert found.value("commit_batch_size_sum") >= found.value("commit_batch_size_count") >= 1
    assert found.value("heartbeats_total", result="ok") >= 1
    assert found.value("circuit_state", circuit="commit") == found.value("circuit_state", circuit="claim") == 0
    assert found.value("circuit_state", circuit="dispatch", worker="0") == 0
    assert found.value("leases_lost_total") == found.value("leases_taken_over_total") == 0
    assert found.value("executions_kept", status="cancelled") == 1, "which no node took part in"
    assert found.value("executions_kept", workflow="fine", status="completed") == 4
    assert found.value("executions_submitted_total") == 0, "programs submitted them all"
    assert found.value("store_connections") >= 2
    for operation in ("claim", "commit", "heartbeat_node", "promote", "transaction", "stats"):
        assert found.value("store_operation_seconds_count", operation=operation) >= 1, operation
    assert abs(found.value("clock_skew_seconds")) < 60
    assert {sample.labels["status"] for sample in found.families["queue_depth"].samples} == {
        "pending", "running", "sleeping", "waiting",
    }  # fmt: skip
    assert found.value("queue_depth") == found.value("queue_age_seconds") == 0
    assert node.stop() == 0


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_what_a_killed_supervisor_held_is_counted_by_the_one_that_gives_it_back(scene: Scene) -> None:
    first = scene.start("fates_app")
    handle = scene.engine.submit(fates.held.bind(scene.log, str(scene.gate)))
    scene.first_note()
    second = scene.start("fates_app", http=ANY_PORT)
    place = address(second)
    first.kill()
    scene.gate.touch()
    assert handle.result(timeout=30) == "released"
    found = Scrape(place)
    assert found.value("leases_taken_over_total") == 1
    assert found.value("executions_finished_total", workflow="held") == 1
    until(lambda: get(place, "/readyz") == (200, "ok\n"))
    assert second.stop() == 0


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_supervisor_that_was_declared_dead_says_so_in_numbers(scene: Scene) -> None:
    """Marked by hand, as a peer would: the next write is refused, and it registers again."""
    node = scene.start("fates_app", http=ANY_PORT)
    place = address(node)
    handle = scene.engine.submit(fates.held.bind(scene.log, str(scene.gate)))
    scene.first_note()
    (own,) = scene.engine.nodes()
    assert scene.engine.write(lambda store, now: store.mark_dead(own.info.id, None, now))
    until(lambda: Scrape(place).value("heartbeats_total", result="refused") == 1)
    scene.gate.touch()
    assert handle.result(timeout=30) == "released"
    found = Scrape(place)
    assert found.value("leases_lost_total") == 1
    assert found.value("worker_restarts_total", reason="lease") == 1
    until(lambda: get(place, "/readyz") == (200, "ok\n"))
    assert node.stop() == 0


def test_it_is_ready_between_the_import_and_the_drain_and_lives_all_the_while(scene: Scene) -> None:
    opened = scene.folder / "opened"
    Path(scene.folder, "slow.py").write_text(
        "import time\nfrom pathlib import Path\n"
        f"while not Path({str(opened)!r}).exists():\n    time.sleep(0.005)\nfrom tests.processes.apps import held\n"
    )
    node = scene.start("slow", folder=scene.folder, http=ANY_PORT)
    place = address(node)
    assert get(place, "/healthz") == (200, "ok\n")
    assert get(place, "/readyz") == (503, "the app is being imported\n")
    opened.touch()
    until(lambda: get(place, "/readyz") == (200, "ok\n"))
    handle = scene.engine.submit(apps.held.bind(scene.log, str(scene.gate)))
    scene.first_note()
    found = Scrape(place)
    assert found.value("worker_utilization_ratio") == 1 / 16
    assert found.value("workers", state="up") == 1
    assert found.value("queue_depth", status="running") == 1
    node.kill(15)
    until(lambda: get(place, "/readyz") == (503, "the node is draining\n"))
    assert get(place, "/healthz") == (200, "ok\n")
    scene.gate.touch()
    assert node.wait() == 0
    assert handle.status() in ("completed", "pending")


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """A server that the test may stop."""
    server = PostgresServer().start()
    yield server
    server.destroy()


@pytest.mark.parametrize("how", ["stopped", "frozen"])
def test_while_the_database_is_gone_it_lives_is_not_ready_and_still_shows_what_it_counted(
    tmp_path: Path, own_server: PostgresServer, how: str
) -> None:
    """A frozen one accepts connections and never answers: no page may wait for it."""
    scene = Scene(tmp_path, create_database(own_server))
    try:
        node = scene.start("fates_app", http=ANY_PORT)
        place = address(node)
        assert scene.engine.submit(fates.ail.bind()).result(timeout=30) == 3
        until(lambda: get(place, "/readyz") == (200, "ok\n"))
        go, come = {
            "stopped": (own_server.stop, own_server.start),
            "frozen": (own_server.freeze, own_server.thaw),
        }[how]
        go()
        _, sentence = until(lambda: answer if (answer := get(place, "/readyz"))[0] == 503 else None)
        assert len(sentence.splitlines()) == 1
        assert "database" in sentence
        assert get(place, "/healthz") == (200, "ok\n")
        found = until(lambda: scrape if (scrape := Scrape(place)).value("store_errors_total") else None)
        assert found.value("executions_finished_total", workflow="ail", status="completed") == 1
        come()
        until(lambda: get(place, "/readyz") == (200, "ok\n"))
        assert scene.engine.submit(fates.ail.bind()).result(timeout=30) == 3
        until(lambda: Scrape(place).value("executions_finished_total", workflow="ail") == 2)  # told after the commit
        assert node.stop() == 0
        assert scene.engine.audit() == []
    finally:
        scene.close()


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_the_first_page_links_the_others_and_everything_else_is_refused(scene: Scene) -> None:
    place = address(scene.start(http="0.0.0.0:0"))  # where the page is not
    status, body = get(place, "/")
    assert status == 200
    for path in re.findall(r'href="([^"]+)"', body):
        assert get(place, path)[0] in (200, 503)
    assert get(place, "/metrics", "HEAD") == (200, "")
    assert get(place, "/etc/passwd")[0] == 404
    assert get(place, "/metrics", "POST")[0] == 405


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_metrics_may_ask_for_a_token_and_health_never_does(scene: Scene) -> None:
    place = address(scene.start(http=ANY_PORT, metrics_token="open-sesame"))
    for given in ({}, {"Authorization": "Bearer open"}, {"Authorization": "open-sesame"}):
        status, body = get(place, "/metrics", headers=given)
        assert (status, body) == (401, "`/metrics` needs its token; send `Authorization: Bearer TOKEN`\n")
    status, body = get(place, "/metrics", headers={"Authorization": "Bearer open-sesame"})
    assert status == 200
    assert "hydra_heartbeats_total" in body
    assert get(place, "/healthz") == (200, "ok\n")


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_token_that_no_header_can_carry_is_one_sentence_and_2(scene: Scene) -> None:
    node = scene.start(http=ANY_PORT, metrics_token="sésame ")
    assert node.wait() == 2
    assert node.text().startswith("error: the token of `/metrics` must be of printable ASCII characters")
    assert "sésame" not in node.text()


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_an_ipv6_address_stands_in_brackets(scene: Scene) -> None:
    place = address(scene.start(http="[::1]:0"))
    assert place.startswith("[::1]:")
    assert get(place, "/healthz") == (200, "ok\n")


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_clients_that_say_nothing_keep_nobody_from_an_answer(scene: Scene) -> None:
    """As many as may connect, and more: the one that has been silent for longest makes room."""
    place = address(scene.start(http=ANY_PORT))
    host, _, port = place.rpartition(":")
    idle = [socket.create_connection((host, int(port))) for _ in range(MAX_CONNECTIONS)]
    half = socket.create_connection((host, int(port)))
    half.sendall(b"GET /healthz HT")
    assert get(place, "/healthz") == (200, "ok\n")
    assert get(place, "/metrics")[0] == 200
    idle[0].settimeout(20)
    with contextlib.suppress(ConnectionResetError):
        assert idle[0].recv(1) == b""
    half.settimeout(20)
    with contextlib.suppress(ConnectionResetError):
        assert half.recv(1) == b"", "what it wants must be said in time"
    for client in (*idle, half):
        client.close()
    assert get(place, "/healthz") == (200, "ok\n")


@pytest.mark.parametrize("module", ["hydra.node.supervisor", "hydra.cli"])
def test_without_http_nothing_of_prometheus_or_a_server_is_imported(module: str) -> None:
    unwanted = {"prometheus_client", "uvicorn", "starlette"}
    program = f"import sys, {module}; print(*{unwanted} & set(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert answer.stdout.split() == []


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("bad", ["9700", "localhost", "localhost:99999", "no such host:80", ":80", "[::1"])
def test_an_address_that_cannot_be_is_one_sentence_and_2(scene: Scene, bad: str) -> None:
    node = scene.start(http=bad)
    assert node.wait() == 2
    assert node.text().startswith("error: ")
    assert len(node.text().splitlines()) == 1


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_port_in_use_is_one_sentence_and_2(scene: Scene) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        node = scene.start(http=place)
        assert node.wait() == 2
        assert node.text() == f"error: cannot listen on `{place}`: Address already in use\n"


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_tag_that_cannot_be_a_label_is_one_sentence_and_2(scene: Scene) -> None:
    node = scene.start(http=ANY_PORT, metric_tags=["run-1"])
    assert node.wait() == 2
    assert node.text().startswith("error: tag `run-1` cannot be a label")
