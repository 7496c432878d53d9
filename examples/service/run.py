"""The whole service on this machine: the web side and one node, until Ctrl-C, or until `--check` has placed orders.

python run.py --port 8000            python run.py --check
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import hydra

HERE = Path(__file__).parent
START_SECONDS = 60.0


@contextmanager
def service(url: str, port: int, workers: int = 1, processes: int = 1) -> Iterator[str]:
    """Its address, once it answers and a node is alive."""
    with hydra.Engine(url) as engine:
        engine.migrate()
    environment = {**os.environ, "HYDRA_DB": url}
    web = [sys.executable, "-m", "uvicorn", "web:app", "--port", str(port), "--log-level", "warning"]
    node = [sys.executable, "-m", "hydra.cli", "start", "app", "--workers", str(workers)]
    programs = [
        subprocess.Popen(command, cwd=HERE, env=environment) for command in ([*web, "--workers", str(processes)], node)
    ]
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + START_SECONDS
        while not is_up(address):
            if time.monotonic() > deadline or any(each.poll() is not None for each in programs):
                sys.exit("the service did not start")
            time.sleep(0.05)
        yield address
    finally:
        for each in programs:
            each.send_signal(signal.SIGTERM)
        for each in programs:
            each.wait(30)


def is_up(address: str) -> bool:
    with suppress(OSError, ValueError), urllib.request.urlopen(f"{address}/health", timeout=2) as answer:
        return bool(json.load(answer)["nodes"])
    return False


def call(address: str, path: str, body: object = None) -> tuple[int, dict[str, str]]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{address}{path}", data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def check(address: str, url: str) -> None:
    order = {"number": "o-1", "card": "visa-1", "amount": "100.00"}
    code, placed = call(address, "/orders", order)
    assert code == 202, placed
    assert call(address, "/orders", order) == (202, placed), "an order that is placed again is the same"
    assert call(address, "/orders", {**order, "amount": "1.00"})[0] == 409
    assert call(address, "/orders", {**order, "amount": "-1"})[0] == 422
    assert call(address, "/orders/nothing")[0] == 404
    code, receipt = call(address, f"/orders/{placed['id']}/receipt?wait=20")
    assert (code, receipt["paid"]) == (200, "119.00"), receipt
    assert call(address, f"/orders/{placed['id']}") == (200, {"id": placed["id"], "status": "completed"})
    with hydra.Engine(url) as engine:
        assert engine.audit() == []
    print(f"{receipt['number']} paid {receipt['paid']} by {receipt['payment']}")


def free_port() -> int:
    with socket.socket() as own:
        own.bind(("127.0.0.1", 0))
        return int(own.getsockname()[1])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--port", type=int, default=0, help="default: a free one")
    options.add_argument("--db", help="default: a new SQLite file")
    options.add_argument("--workers", type=int, default=1, help="of the node")
    options.add_argument("--processes", type=int, default=1, help="of the web side")
    options.add_argument("--check", action="store_true", help="place orders, look at them, end")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = chosen.db or f"sqlite:///{folder}/service.db"
        with service(url, chosen.port or free_port(), chosen.workers, chosen.processes) as address:
            print(address, flush=True)
            if chosen.check:
                check(address, url)
                return
            with suppress(KeyboardInterrupt):
                signal.pause()


if __name__ == "__main__":
    main()
