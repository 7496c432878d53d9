"""How long the server takes for each view of the page, beside a million executions, 50,000 of them failed.

    python benches/page_views.py sqlite:////tmp/million.db
    python benches/page_views.py postgresql:///bench        # an empty database; `mysql://…` likewise

The rows are made where there are none yet. Prints the median and the longest of seven, and the median of the
processor's time (of SQLite the database's, too), in which others on the machine have no part.
"""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import suppress
from statistics import median
from urllib.parse import urlsplit

import filling
import hydra
from hydra.dashboard import Operator, Role, app
from starlette.testclient import TestClient

TRIES = 7
MAX_SECONDS = 0.2
FAILED, SLEEPING, PENDING = 50_000, 10_000, 5_000


class Declined(Exception):
    pass


@hydra.step
def charge(card: str) -> str:
    if card.startswith("bad"):
        raise Declined(f"the provider declines {card}")
    return f"{card} has paid"


@hydra.workflow
def bill(card: str) -> str:
    return charge(card)


def make(engine: hydra.Engine, url: str, count: int) -> None:
    """A few real ones, and rows like them."""
    with engine.worker():
        for number in range(20):
            handle = engine.submit(bill.bind(f"{'bad' if number % 4 else 'visa'}-{number}"), key=f"inv-{number}")
            with suppress(hydra.WorkflowFailed):
                handle.result(60)
    store = engine.session().store
    finished = count - SLEEPING - PENDING
    filling.fill(store, url, finished=finished, sleeping=SLEEPING, pending=PENDING)
    filling.fail(store, url, finished - FAILED + 1, finished)


def views(engine: hydra.Engine) -> list[str]:
    failed = engine.executions(status="failed", workflow="bill", limit=1)[0]
    return [
        "/", "/executions", "/executions?order=oldest", "/executions?status=failed", "/executions?status=completed",
        "/executions?status=pending&workflow=bench", "/executions?workflow=bill", "/executions?workflow=bill&key=inv-3",
        "/executions?key=inv-3", "/executions?since=1h", "/executions?status=failed&reason=declines",
        "/executions?error=Declined", "/errors", f"/executions/{failed.id}", "/limits", "/schedules", "/nodes", "/acts",
        "/act?act=retry&status=failed&workflow=bill",
    ]  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--count", type=int, default=1_000_000)
    chosen = parser.parse_args()
    with hydra.Engine(chosen.url) as engine:
        engine.migrate()
        if not engine.stats().counts:
            make(engine, chosen.url, chosen.count)
        browser = TestClient(app(engine, authorize=lambda _: Operator("ana", Role.ADMIN)), base_url="http://bench")
        slow = 0
        for view in views(engine):
            times, busy = [], []
            for _ in range(TRIES):
                began, busy_at = time.perf_counter(), time.process_time()
                answer = browser.get(view, headers={"accept": "text/html"})
                times.append(time.perf_counter() - began)
                busy.append(time.process_time() - busy_at)
                assert answer.status_code == 200, answer.text
            slow += median(times) > MAX_SECONDS
            shown = (median(times), max(times), median(busy))
            print(urlsplit(chosen.url).scheme, *(f"{each * 1e3:8.0f} ms" for each in shown), "", view, flush=True)
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
