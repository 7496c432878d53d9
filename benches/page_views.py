"""How long does the server take for each view of the page, beside a million executions, 50,000 of them failed?

    python benches/page_views.py [--count 1000000] [--url sqlite|postgres|mysql|URL]

The rows are made where there are none yet: submitted over 30 days, each thousand under a tag, each ended one with two
attributes. Each row is the median of seven, with the longest, and the median of this process's CPU (of SQLite the
database's, too), in which others on the machine have no part.
"""

from __future__ import annotations

import argparse
import logging
import time
from contextlib import suppress
from statistics import median

import filling
import found_by
import hydra
from hydra.dashboard import Operator, Role, app
from machine import Report
from server import add_options, database, durability
from starlette.testclient import TestClient

MAX_SECONDS, GIVE_UP_SECONDS = 0.2, 3.0
FAILED, SLEEPING, PENDING = 50_000, 10_000, 5_000
SPREAD_US = 30 * 86_400 * 1_000_000  # over which they were submitted
CUSTOMERS = 100_000


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
    failed, sleeping, pending = (each * count // 1_000_000 for each in (FAILED, SLEEPING, PENDING))
    finished = count - sleeping - pending
    filling.fill(store, url, finished=finished, sleeping=sleeping, pending=pending, spread_us=SPREAD_US)
    filling.fail(store, url, finished - failed + 1, finished)
    found_by.give(store, url, 1, finished, CUSTOMERS)


def views(engine: hydra.Engine) -> list[str]:
    failed = engine.executions(status="failed", workflow="bill", limit=1)[0]
    return [
        "/", "/executions", "/executions?order=oldest", "/executions?status=failed", "/executions?status=completed",
        "/executions?status=pending&workflow=bench", "/executions?workflow=bill", "/executions?workflow=bill&key=inv-3",
        "/executions?key=inv-3", "/executions?since=1h", "/executions?status=failed&reason=declines",
        "/executions?error=Declined", "/executions?reason=nothing", "/executions?tag=run%3Dr-500",
        "/executions?tag=run%3Dnone", "/executions?until=29d", "/executions?since=2m", "/executions?workflow=nobody",
        "/executions?status=failed&tag=run%3Dnone", "/executions?attribute=customer%3Dc-77", "/errors?reason=nothing",
        "/executions?attribute=customer%3E%3Dc-9&attribute=state%3Dopen", "/executions?attribute=state%3Dpaid",
        "/executions?attribute=state%3Dopen&tag=run%3Dnone", "/errors", f"/executions/{failed.id}", "/limits",
        "/schedules", "/nodes", "/acts", "/act?act=retry&status=failed&workflow=bill",
    ]  # fmt: skip


def measure(report: Report, browser: TestClient, view: str, tries: int) -> bool:
    """Whether it took longer than it may."""
    times, busy = [], []
    for _ in range(tries):
        began, busy_at = time.perf_counter(), time.process_time()
        answer = browser.get(view, headers={"accept": "text/html"})
        times.append(time.perf_counter() - began)
        busy.append(time.process_time() - busy_at)
        assert answer.status_code == 200, answer.text
        if times[-1] > GIVE_UP_SECONDS:
            break
    cpu_ms = round(median(busy) * 1e3)
    report.row(view, median(times) * 1e3, "ms", longest=round(max(times) * 1e3), cpu_ms=cpu_ms)
    return median(times) > MAX_SECONDS


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--count", type=int, default=1_000_000)
    options.add_argument("--tries", type=int, default=7)
    add_options(options)
    chosen = options.parse_args()
    logging.disable(logging.ERROR)  # of what fails on purpose
    report = Report(f"the page's views beside {chosen.count:,} executions", durability(chosen.url))
    with database(chosen.url) as url, hydra.Engine(url) as engine:
        engine.migrate()
        if not engine.stats().counts:
            make(engine, url, chosen.count)
        browser = TestClient(app(engine, authorize=lambda _: Operator("ana", Role.ADMIN)), base_url="http://bench")
        slow = [view for view in views(engine) if measure(report, browser, view, chosen.tries)]
    print(f"# above {MAX_SECONDS * 1e3:g} ms: {', '.join(slow) or 'none'}")
    report.save(chosen.json)


if __name__ == "__main__":
    main()
