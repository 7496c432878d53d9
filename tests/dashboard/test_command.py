"""`hydra dashboard`: what it refuses to start as, and that it serves."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.cli.invoking import run
from tests.dashboard.conftest import LINES, Shop


def test_without_tokens_it_listens_only_on_its_own_host(shop: Shop) -> None:
    done = run(shop.url, "dashboard", "--host", "0.0.0.0", "--port", "0", code=2)
    sentence = "`0.0.0.0` can be reached from elsewhere, so the page needs `--token-file`; or listen on 127.0.0.1"
    assert done.output == f"error: {sentence}\n"


def test_a_name_of_a_proxy_needs_tokens(shop: Shop) -> None:
    done = run(shop.url, "dashboard", "--port", "0", "--allow-host", "hydra.example.com", code=2)
    sentence = "`hydra.example.com` lets others in through a proxy, so `--allow-host` needs `--token-file`"
    assert done.output == f"error: {sentence}\n"


def test_what_hinders_its_start_is_one_sentence(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run(shop.url, "dashboard", "--port", port, code=2)
        assert done.output == f"error: cannot listen on `127.0.0.1:{port}`: Address already in use\n"
    done = run(shop.url, "dashboard", "--port", "0", "--token-file", str(tmp_path / "none"), code=2)
    assert done.output.endswith("cannot be read: No such file or directory\n") and done.output.count("\n") == 1
    (tmp_path / "tokens").write_text("ana\n")
    done = run(shop.url, "dashboard", "--port", "0", "--token-file", str(tmp_path / "tokens"), code=2)
    assert "must be a name, a role and a token" in done.output
    done = run(f"sqlite:///{tmp_path}/none.db", "dashboard", code=2)
    assert "hydra migrate" in done.output and done.output.count("\n") == 1
    monkeypatch.setitem(sys.modules, "jinja2", None)
    done = run(shop.url, "dashboard", "--port", "0", code=2)
    assert done.output == "error: the page needs Jinja2, which is missing; install `hydra-engine[dashboard]`\n"


@pytest.mark.parametrize("is_guarded", [False, True])
def test_it_serves_the_page_until_a_signal(shop: Shop, tmp_path: Path, is_guarded: bool) -> None:
    (tmp_path / "tokens").write_text("\n".join(LINES))
    (tmp_path / "tokens").chmod(0o600)
    options = ["--host", "0.0.0.0", "--token-file", str(tmp_path / "tokens")] if is_guarded else []
    command = [sys.executable, "-m", "hydra.cli", "dashboard", "--db", shop.url, "--port", "0", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            found = re.search(r"the page is at http://[\d.]+:(\d+)", process.stderr.readline())
            assert found is not None
            connection = HTTPConnection("127.0.0.1", int(found[1]), timeout=60)
            connection.request("GET", "/executions", headers={"accept": "text/html"})
            answer = connection.getresponse()
            text = answer.read().decode()
            assert answer.status == (303 if is_guarded else 200)
            assert is_guarded or shop.failed in text
            connection.request("GET", "/", headers={"host": "evil.test"})
            assert connection.getresponse().status == (303 if is_guarded else 421)
            connection.close()
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            process.kill()


def test_a_signal_answers_what_waits_and_ends_what_follows_along(shop: Shop) -> None:
    command = [sys.executable, "-m", "hydra.cli", "dashboard", "--db", shop.url, "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            found = re.search(r"the page is at http://[\d.]+:(\d+)", process.stderr.readline())
            assert found is not None
            waits, follows = (HTTPConnection("127.0.0.1", int(found[1]), timeout=60) for _ in range(2))
            follows.request("GET", "/live")
            stream = follows.getresponse()
            assert stream.readline() == b"retry: 5000\n"
            waits.request("GET", f"/api/v1/executions/{shop.asleep}/result?wait=30s")
            time.sleep(1)  # it has begun to wait
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            answer = waits.getresponse()
            assert (answer.status, answer.headers["content-type"]) == (503, "application/problem+json")
            assert answer.headers["retry-after"] == "1"
            assert json.loads(answer.read())["detail"] == "this server ends, and waits no longer; ask again"
            assert b"data" not in stream.read(), "it ends as a stream does"
            assert process.wait(60) == 0 and time.monotonic() - began < 10
            assert process.stderr.read() == ""
        finally:
            process.kill()


def test_the_page_needs_no_code_of_the_app(shop: Shop) -> None:
    program = f"""
import hydra
from hydra import dashboard
from starlette.testclient import TestClient
engine = hydra.Engine({shop.url!r})
page = TestClient(dashboard.app(engine, authorize=lambda request: dashboard.Operator("ana")))
print([page.get("/executions/" + id).status_code for id in {list(shop[1:])!r}])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[200, 200, 200, 200, 200, 200]\n"


def test_hydra_is_imported_without_what_one_command_alone_needs() -> None:
    """A command takes a third longer to start with a driver that it does not use."""
    program = "import hydra, hydra.cli, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    names = done.stdout.split()
    assert [name for name in names if "dashboard" in name] == ["hydra.cli.dashboard"]
    assert not {"jinja2", "psycopg", "pymysql", "cryptography", "prometheus_client"} & set(names)
