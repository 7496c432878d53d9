"""A fake payment provider, as unreliable as a real one: slow answers, 5xx before it has charged, cut connections after.

Its log is the truth about money: append-only JSON lines, on disk before anybody gets an answer. A repeated idempotency
key returns the first payment and moves nothing. Prints its URL on standard output once it listens.

    python provider.py --log payments.jsonl [--port 0] [--refuse 0.05] [--cut 0.03] [--seed 1]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import threading
import time
from contextlib import suppress
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

FASTEST_SECONDS, SLOWEST_SECONDS = 0.020, 0.080


class PaymentLog:
    """What was paid, by idempotency key; the file is written and synced before a payment counts."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._file = path.open("a", encoding="utf-8")
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        self._payments = {line["key"]: line for line in lines if line["event"] == "paid"}

    def pay(self, request: dict[str, Any]) -> dict[str, Any]:
        """The payment of this key: a new one, or the first one again."""
        with self._lock:
            known = self._payments.get(request["key"])
            if known is not None:
                self._write({"event": "repeated", "key": request["key"]})
                return known
            payment = {"event": "paid", "payment_id": f"p-{len(self._payments) + 1:06}", **request}
            self._write(payment)
            os.fsync(self._file.fileno())
            self._payments[request["key"]] = payment
            return payment

    def note(self, event: str, key: str) -> None:
        with self._lock:
            self._write({"event": event, "key": key})

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()


class Provider(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def __init__(self, port: int, log: PaymentLog, refuse: float, cut: float, seed: int) -> None:
        super().__init__(("127.0.0.1", port), Desk)
        self.log = log
        self.refuse = refuse
        self.cut = cut
        self.random = random.Random(seed)


class Desk(BaseHTTPRequestHandler):
    """Handles one request."""

    server: Provider

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        chance = self.server.random.random()
        time.sleep(self.server.random.uniform(FASTEST_SECONDS, SLOWEST_SECONDS))
        if chance < self.server.refuse:
            self.server.log.note("unavailable", request["key"])
            self._answer(503, {"error": "try again"})
            return
        if set(request) != {"key", "kind", "invoice", "customer_id", "amount"} or Decimal(request["amount"]) <= 0:
            self._answer(400, {"error": "a payment has a key, a kind, an invoice, a customer and a positive amount"})
            return
        if request["kind"] == "charge" and request["customer_id"].startswith("declined"):
            self._answer(402, {"error": "the card was declined"})
            return
        payment = self.server.log.pay(request)
        if chance < self.server.refuse + self.server.cut:
            self.server.log.note("cut off", request["key"])
            self.close_connection = True
            return
        self._answer(200, {"payment_id": payment["payment_id"]})

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        with suppress(ConnectionError):  # A caller that was killed meanwhile gets no answer; it will ask again.
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """The payment log says everything worth saying."""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--log", type=Path, required=True)
    options.add_argument("--port", type=int, default=0)
    options.add_argument("--refuse", type=float, default=0.05, help="share of requests answered 503 before charging")
    options.add_argument("--cut", type=float, default=0.03, help="share of connections cut after charging")
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    provider = Provider(chosen.port, PaymentLog(chosen.log), chosen.refuse, chosen.cut, chosen.seed)
    print(f"http://127.0.0.1:{provider.server_port}", flush=True)
    provider.serve_forever()


if __name__ == "__main__":
    main()
