"""How do many nodes empty one queue at once: at what rate, is any execution claimed twice, is any left?

    python benches/claimers.py [--claimers 20 --claimers 100] [--pending 50000] [--batch 64]
        [--url sqlite|postgres|mysql|URL]

Each claimer is a node with a connection of its own and a thread of this process, so a hundred share one interpreter.
It does nothing but claim until it finds nothing; a claim that comes back empty while others are under way is repeated.
"""

from __future__ import annotations

import argparse
import threading
import time

from hydra import _core
from hydra.codec import encode_call
from hydra.errors import StoreUnavailable
from hydra.execution import Submission
from hydra.stores.store import Store
from machine import Report, percentile
from server import add_options, database, durability, opened, register

EMPTY_ANSWERS = 3  # in a row, before a claimer believes it
SUBMIT_CHUNK = 5_000


class Claimer(threading.Thread):
    def __init__(self, url: str, batch: int, gate: threading.Event) -> None:
        super().__init__(daemon=True)
        self._url, self._batch, self._gate = url, batch, gate
        self.ids: list[str] = []
        self.milliseconds: list[float] = []
        self.is_ready = threading.Event()

    def run(self) -> None:
        with opened(self._url) as store:
            self._claim(store)

    def _claim(self, store: Store) -> None:
        node = register(store)
        self.is_ready.set()
        self._gate.wait()
        empty = 0
        while empty < EMPTY_ANSWERS:
            began = time.perf_counter()
            try:
                found = [each.id for each in store.claim(node, ["bench"], self._batch, store.now())]
            except StoreUnavailable:  # the reply is lost; what the claim did is read, as a node does (R16)
                node, owned = store.resync(node)
                found = [each.id for each in owned if each.id not in self.ids]
            self.milliseconds.append(1000 * (time.perf_counter() - began))
            self.ids += found
            empty = 0 if found else empty + 1


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
    gate = threading.Event()
    claimers = [Claimer(url, chosen.batch, gate) for _ in range(count)]
    for claimer in claimers:
        claimer.start()
    for claimer in claimers:
        claimer.is_ready.wait()
    began = time.perf_counter()
    gate.set()
    for claimer in claimers:
        claimer.join()
    seconds = time.perf_counter() - began
    claimed = [id for claimer in claimers for id in claimer.ids]
    assert len(set(claimed)) == len(claimed), "an execution was claimed twice"
    assert len(claimed) == chosen.pending, f"{chosen.pending - len(claimed)} executions were left"
    assert store.audit() == []
    milliseconds = [each for claimer in claimers for each in claimer.milliseconds]
    report.row(
        f"{count} claimers, {chosen.batch} at a time",
        len(claimed) / seconds,
        "per second",
        p50_ms=round(percentile(milliseconds, 0.5), 2),
        p99_ms=round(percentile(milliseconds, 0.99), 2),
        busiest=max(len(claimer.ids) for claimer in claimers),
    )


if __name__ == "__main__":
    main()
