"""What does the store itself cost, with nobody around it? Submissions, claims and commits in batches, one thread.

    python benches/store.py [--count 40000] [--batch 1000] [--url sqlite|postgres|mysql|URL]

`drain` is claim and commit together: one record and the result of each execution.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

from hydra import _core
from hydra.codec import encode_call
from hydra.execution import End, ExecutionCommit, NodeRef, Record, Submission
from hydra.stores.store import Store
from machine import Report, cpu_seconds
from server import add_options, database, durability, opened, register


def batches(count: int, batch: int, keyed: bool) -> list[list[Submission]]:
    payload, digest = encode_call(("x" * 200,), {})
    ids = _core.uuid7_many(count)
    made = [Submission(id, "bench", payload, digest, key=id if keyed else None) for id in ids]
    return [made[start : start + batch] for start in range(0, count, batch)]


def drain(store: Store, node: NodeRef, batch: int) -> None:
    now = store.now()
    record = Record(1, "step", "", "charge", 1, 1, b"d" * 16, b"r" * 30, now, now)
    while claimed := store.claim(node, ["bench"], batch, now):
        ends = [ExecutionCommit(one.id, one.epoch, [record], End("completed", b"r" * 30)) for one in claimed]
        assert all(store.commit(node, ends, now))


def measure(report: Report, name: str, count: int, work: Callable[[], object]) -> None:
    began, cpu = time.perf_counter(), cpu_seconds()
    work()
    seconds, cpu = time.perf_counter() - began, cpu_seconds() - cpu
    report.row(name, count / seconds, "per second", cpu_us_each=round(cpu / count * 1e6, 1))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--count", type=int, default=40_000)
    options.add_argument("--batch", type=int, default=1_000)
    add_options(options)
    chosen = options.parse_args()
    report = Report("what does the store itself cost?", durability(chosen.url))
    with database(chosen.url) as url, opened(url) as store:
        node = register(store)
        for keyed in (False, True):
            work = batches(chosen.count, chosen.batch, keyed)
            name = f"submit, {chosen.batch} at a time{', with keys' if keyed else ''}"
            measure(report, name, chosen.count, lambda work=work: [store.submit(each, store.now()) for each in work])
        measure(report, "drain", 2 * chosen.count, lambda: drain(store, node, chosen.batch))
        assert store.audit() == []
    report.save(chosen.json)


if __name__ == "__main__":
    main()
