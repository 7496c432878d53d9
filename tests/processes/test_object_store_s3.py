"""Offloaded values in a server that speaks S3's protocol, by `s3fs`: real requests, forked workers, real kills."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import hydra
import pytest
import s3fs
from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError
from hydra.move.offloaded import sweep
from hydra.object_store import ObjectStore
from hydra.payload_keys import NO_KEYS

from tests.processes.conftest import on_sqlite
from tests.processes.scene import Scene, until
from tests.processes.test_offload import environment, noise, notes

OFFLOAD = "s3://billing-values/of/hydra"
KEY, SECRET = "key-of-a-test", "secret-of-a-test"
MOTO = f"{shlex.quote(sys.executable)} -m moto.server -H 127.0.0.1 -p PORT"
# Or another: versitygw --access key-of-a-test --secret secret-of-a-test --port 127.0.0.1:PORT posix /folder
COMMAND = os.environ.get("HYDRA_S3_COMMAND") or MOTO


@dataclass
class S3:
    process: subprocess.Popen[bytes]
    endpoint: str

    @property
    def environment(self) -> dict[str, str]:
        """As users give them: `s3fs` and what it stands on read these."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
        }


@pytest.fixture(scope="session")  # one for each process: a place that was opened keeps its server's address
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    with open(tmp_path_factory.mktemp("s3") / "log", "wb") as log:
        command = [part.replace("PORT", port) for part in shlex.split(COMMAND)]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    made = S3(process, f"http://127.0.0.1:{port}")
    try:
        until(lambda: has_bucket(made.endpoint))
        yield made
    finally:
        process.kill()
        process.wait(60)


def has_bucket(endpoint: str) -> bool:
    system = s3fs.S3FileSystem(key=KEY, secret=SECRET, endpoint_url=endpoint, skip_instance_cache=True)
    try:
        system.mkdir("billing-values")
    except FileExistsError:
        return True
    except (OSError, ConnectionError, ConnectTimeoutError, EndpointConnectionError):
        return False
    return True


@pytest.fixture
def s3(server: S3, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    yield server
    server.process.send_signal(signal.SIGCONT)


def engine_of(scene: Scene) -> hydra.Engine:
    return hydra.Engine(scene.url, offload=hydra.Offload(place(scene), over=2048))


def place(scene: Scene) -> str:
    return f"{OFFLOAD}/{scene.folder.name}"


def start(scene: Scene, s3: S3, **more: str) -> None:
    given = environment(scene, **s3.environment, **more) | {"HYDRA_OFFLOAD": place(scene)}
    scene.start("milled", folder=scene.folder, environment=given)


def objects(scene: Scene) -> ObjectStore:
    return ObjectStore(hydra.Offload(place(scene)), "default", NO_KEYS)


def test_g5_a_worker_killed_behind_its_put_runs_the_step_again_by_one_key_and_the_orphan_is_swept(
    scene: Scene, s3: S3
) -> None:
    start(scene, s3, OFFLOAD_HARM="kill")
    text = noise()
    with engine_of(scene) as engine:
        handle = engine.submit(hydra.named("milled").bind(text))
        assert handle.result(timeout=60) == 2 * len(text)
        assert len(notes(scene)) == 2 and len(set(notes(scene))) == 1
        assert [each.kind for each in handle.records()] == ["crash", "step"]
        assert engine.audit() == []
        (step,) = [each for each in handle.export().read_records() if each.kind == "step"]
        assert step.payload is not None and hydra.codec.decode(step.payload) == text + text
        now = engine.session().now() + 3_600_000_000
    assert sweep(scene.url, "default", objects(scene), NO_KEYS, now, 0) == (1, 2), "the orphan; two stay"
    assert sweep(scene.url, "default", objects(scene), NO_KEYS, now, 0) == (0, 2)


@pytest.mark.slow
@on_sqlite
def test_large_values_and_many_at_a_time_come_back_as_they_were(scene: Scene, s3: S3) -> None:
    """200 executions are more than the connections that s3fs has."""
    start(scene, s3)
    large = os.urandom(7 << 20).hex()
    with engine_of(scene) as engine:
        whole = engine.submit(hydra.named("milled_small").bind(large))
        texts = [noise() for _ in range(200)]
        many = engine.submit_many([hydra.named("milled_small").bind(text) for text in texts])
        assert [each.result(timeout=120) for each in many] == texts
        assert whole.result(timeout=120) == large
        assert engine.audit() == []
    assert len(list(objects(scene).names())) == 402


@pytest.mark.slow
@on_sqlite
def test_g4_a_server_that_stops_answering_delays_and_neither_repeats_nor_parks(scene: Scene, s3: S3) -> None:
    """Paused for longer than a put may take: the result goes to the database; what lies there is read later."""
    text = noise()
    with engine_of(scene) as engine:
        before = engine.submit(hydra.named("milled").bind(text))
        s3.process.send_signal(signal.SIGSTOP)
        start(scene, s3)
        plain = engine.submit(hydra.named("milled_small").bind("x"))
        assert plain.result(timeout=60) == "x", "nobody else waits"
        assert before.status() in ("pending", "running")
        meanwhile = engine.submit(hydra.named("milled_small").bind(text))
        assert meanwhile.result(timeout=60) == text
        s3.process.send_signal(signal.SIGCONT)
        assert before.result(timeout=90) == 2 * len(text)
        assert len(notes(scene)) == 1 and engine.audit() == []
        assert len(list(objects(scene).names())) <= 3, "what was put while it stood still lies in the database"


@on_sqlite
def test_a_bucket_that_is_not_there_costs_a_warning_and_no_value(
    scene: Scene, s3: S3, caplog: pytest.LogCaptureFixture
) -> None:
    start(scene, s3)
    text = noise()
    with hydra.Engine(scene.url, offload=hydra.Offload("s3://no-such-bucket/x", over=2048)) as engine:
        handle = engine.submit(hydra.named("milled").bind(text))
        assert handle.result(timeout=60) == 2 * len(text)
    assert "takes no values, which go to the database instead" in caplog.text
