"""How long does a list take by each filter, and the search by attributes, beside a million or ten million executions?

    python benches/lists.py [--count 1000000] [--url sqlite|postgres|mysql|URL]

The rows are made where there are none yet: 50,000 of a million have failed, they were submitted over 30 days, each
thousand under a tag, and each ended one has two attributes: one that few have, and one that most have. Each row is the
median of seven lists of the newest hundred, as `Engine.executions` gives them: all the way, unlike the page.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import time
from typing import Any

import hydra
import page_views
from machine import Report
from server import add_options, database, durability

CUSTOMER = "one of many"
FILTERS: dict[str, dict[str, Any]] = {
    "all": {},
    "status completed": {"status": "completed"},
    "status failed": {"status": "failed"},
    "status pending": {"status": "pending"},
    "workflow, which few have": {"workflow": "bill"},
    "workflow and status, of which few have both": {"workflow": "bill", "status": "failed"},
    "workflow, which most have": {"workflow": "bench"},
    "a workflow that nobody has": {"workflow": "nobody"},
    "since an hour ago": {"since": "1h"},
    "since two minutes ago, fewer than are asked for": {"since": "2m"},
    "since a day ago, failed": {"since": "1d", "status": "failed"},
    "until 29 days ago": {"until": "29d"},
    "a tag that a thousand have": {"tags": {"run": "r-500"}},
    "a tag that nobody has": {"tags": {"run": "none"}},
    "a key without its workflow": {"key": "inv-3"},
    "a reason that nobody has": {"reason": "no such"},
    "search: a value that one in ten has, and a tag that nobody has": {
        "attributes": {"state": "open"},
        "tags": {"run": "none"},
    },
    "search: two common values, few with both": {"attributes": {"customer >=": "c-9", "state": "open"}},
    "key and workflow": {"workflow": "bill", "key": "inv-3"},
    "search: a rare value": {"attributes": {"customer": CUSTOMER}},
    "search: a value that nobody has": {"attributes": {"customer": "nobody"}},
    "search: a value that most have": {"attributes": {"state": "paid"}},
    "search: a rare value and a common one": {"attributes": {"customer": CUSTOMER, "state": "paid"}},
    "search: a rare value and a status": {"attributes": {"customer": CUSTOMER}, "status": "completed"},
}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--count", type=int, default=1_000_000)
    options.add_argument("--tries", type=int, default=7)
    options.add_argument("--only", default="", help="filters whose name has this in it")
    add_options(options)
    chosen = options.parse_args()
    logging.disable(logging.ERROR)
    report = Report(f"lists beside {chosen.count:,} executions", durability(chosen.url))
    with database(chosen.url) as url, hydra.Engine(url) as engine:
        engine.migrate()
        if not engine.stats().counts:
            page_views.make(engine, url, chosen.count)
        for name, given in FILTERS.items():
            if chosen.only in name:
                measure(report, name, engine, given, chosen.tries)
    report.save(chosen.json)


def measure(report: Report, name: str, engine: hydra.Engine, given: dict[str, Any], tries: int) -> None:
    given = given | {each: hydra.config.parse_when(given[each]) for each in ("since", "until") if each in given}
    times = []
    for number in range(tries):
        if given.get("attributes", {}).get("customer") == CUSTOMER:  # each time another one, which nothing has read
            other = f"c-{number * 7919 % page_views.CUSTOMERS}"
            asked = given | {"attributes": given["attributes"] | {"customer": other}}
        else:
            asked = given
        began = time.perf_counter()
        found = engine.executions(**asked)
        times.append(time.perf_counter() - began)
        if times[-1] > page_views.GIVE_UP_SECONDS:
            break
    report.row(name, statistics.median(times) * 1e3, "ms", longest=round(max(times) * 1e3, 1), found=len(found))


if __name__ == "__main__":
    main()
