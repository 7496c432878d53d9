"""How do many nodes empty one queue at once: at what rate, is any execution claimed twice, is any left?

    python benches/claimers.py [--claimers 20 --claimers 100] [--pending 50000] [--batch 64]
        [--url sqlite|postgres|mysql|URL]

Each claimer is a process with a node and a connection of its own, as supervisors are. It does nothing but claim until
it finds nothing; a claim that comes back empty while others are under way is repeated.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from multiprocessing.connection import Connection

from hydra import _core
from hydra.codec import encode_call
from hydra.errors import StoreUnavailable
from hydra.execution import Submission
from hydra.stores.store import Store
from machine import Report, percentile
from server import add_options, database, durability, opened, register

EMPTY_ANSWERS = 3  # in a row, before a claimer believes it
SUBMIT_CHUNK = 5_000


def claimer(url: str, batch: int, pipe: Connection) -> None:
    """Says when it is ready, waits for the start, sends which it claimed, how long each claim took, its CPU seconds."""
    with opened(url) as store:
        node = register(store)
        pipe.send(None)
        pipe.recv()
        cpu = time.process_time()
        ids: list[str] = []
        milliseconds: list[float] = []
        empty = 0
        while empty < EMPTY_ANSWERS:
            began = time.perf_counter()
            try:
                found = [each.id for each in store.claim(node, ["bench"], batch, store.now())]
            except StoreUnavailable:  # the reply is lost; what the claim did is read, as a node does (R16)
                node, owned = store.resync(node)
                found = [each.id for each in owned if each.id not in ids]
            milliseconds.append(1000 * (time.perf_counter() - began))
            ids += found
            empty = 0 if found else empty + 1
        pipe.send((ids, milliseconds, time.process_time() - cpu))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--claimers", type=int, action="append")
    options.add_argument("--pending", type=int, default=50_000)
    options.add_argument("--batch", type=int, default=64)
    add_options(options)
    chosen = options.parse_args()
    report = Report("how do many claimers empty one queue?", durability(chosen.url))
    for count in chosen.claimers or [1, 20, 100]:
        with database(chosen.url, connections=50 + 3 * count) as url, opened(url) as store:
            fill(store, chosen.pending)
            measure(report, url, store, count, chosen)
    report.save(chosen.json)


def fill(store: Store, count: int) -> None:
    payload, digest = encode_call(("x" * 200,), {})
    for start in range(0, count, SUBMIT_CHUNK):
        ids = _core.uuid7_many(min(SUBMIT_CHUNK, count - start))
        store.submit([Submission(id, "bench", payload, digest) for id in ids], store.now())


def measure(report: Report, url: str, store: Store, count: int, chosen: argparse.Namespace) -> None:
    context = multiprocessing.get_context("spawn")
    pipes = []
    for _ in range(count):
        pipe, theirs = context.Pipe()
        context.Process(target=claimer, args=(url, chosen.batch, theirs), daemon=True).start()
        pipes.append(pipe)
    for pipe in pipes:
        pipe.recv()
    began = time.perf_counter()
    for pipe in pipes:
        pipe.send(None)
    answers = [pipe.recv() for pipe in pipes]
    seconds = time.perf_counter() - began
    claimed = [id for ids, _, _ in answers for id in ids]
    assert len(set(claimed)) == len(claimed), "an execution was claimed twice"
    assert len(claimed) == chosen.pending, f"{chosen.pending - len(claimed)} executions were left"
    assert store.audit() == []
    milliseconds = [each for _, own, _ in answers for each in own]
    report.row(
        f"{count} claimers, {chosen.batch} at a time",
        len(claimed) / seconds,
        "per second",
        p50_ms=round(percentile(milliseconds, 0.5), 2),
        p99_ms=round(percentile(milliseconds, 0.99), 2),
        busiest=max(len(ids) for ids, _, _ in answers),
        claims=len(milliseconds),
        cpu_us_each=round(1e6 * sum(cpu for _, _, cpu in answers) / len(claimed)),
    )


if __name__ == "__main__":
    main()
