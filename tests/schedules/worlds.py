"""Schedules in random worlds: nodes that come and go, clocks apart, replies lost, executions that last or stand still.

    python -m tests.schedules.worlds --seeds 20000  # prints the seed of a world that breaks a promise

The real `Ticker` and the pure decisions run against a table in memory with the store's conditions (revision, mark).
"""

from __future__ import annotations

import argparse
import logging
import random
from bisect import bisect
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec
from hydra import schedules
from hydra.cron import PUNCTUAL, Cron
from hydra.errors import StoreUnavailable
from hydra.execution import FINAL, NodeRef, Status, Submission
from hydra.node.schedule_ticker import Ticker
from hydra.schedules import ScheduleChange, ScheduleEntry, ScheduleSpec, ScheduleState
from hydra.stores.workflow_info import WorkflowInfo
from hydra.tick_queue import take_ticks, to_datetime, to_instant

SECOND = 1_000_000
MINUTE = 60 * SECOND
START = 1_800_000_000 * SECOND // MINUTE * MINUTE
PUNCTUAL_US = round(PUNCTUAL.total_seconds()) * SECOND
MAX_TICKS = 80
LOST_SHARE = 0.05
MAX_SKEW_US = 20 * SECOND
LOOKS = 4  # in which a tick is fired for sure: replies may be lost, and another node be first


@dataclass
class Run:
    id: str
    status: Status = Status.RUNNING


class Table:
    """What the database holds of schedules and their executions."""

    def __init__(self, chance: random.Random) -> None:
        self.namespace = "default"
        self.row: ScheduleState | None = None
        self.runs: dict[str, Run] = {}  # by key
        self.chance = chance
        self.together_maximum = 0

    def schedules(self) -> list[ScheduleState]:
        return [] if self.row is None else [self.row]

    def upsert_schedules(self, node: NodeRef, entries: list[ScheduleEntry], now: int) -> None:
        for entry in entries:
            if self.row is None:
                self.row = ScheduleState(
                    entry.name, entry.spec, 1, entry.mark_at, entry.next_at, None, schedules.ScheduleProgress(), True
                )

    def get(self, ids: list[str]) -> list[Run | None]:
        by_id = {run.id: run for run in self.runs.values()}
        return [by_id.get(id) for id in ids]

    def fire_schedules(self, node: NodeRef, changes: list[ScheduleChange], now: int) -> list[bool]:
        if self.chance.random() < LOST_SHARE:
            raise StoreUnavailable("never sent")
        answers = [self._change(change) for change in changes]
        if self.chance.random() < LOST_SHARE:
            raise StoreUnavailable("the reply was lost", outcome="unknown")
        return answers

    def _change(self, change: ScheduleChange) -> bool:
        assert self.row is not None
        if change.revision != self.row.revision or change.mark_at < self.row.mark_at:
            return False
        self.row = msgspec.structs.replace(
            self.row,
            revision=self.row.revision + 1,
            mark_at=change.mark_at,
            next_at=change.next_at,
            paused_at=change.paused_at,
            progress=change.progress,
        )
        for submission in change.submissions:
            self.submit(submission)
        for run in self.get(change.cancels):
            if run is not None and run.status not in FINAL:
                run.status = Status.CANCELLED
        self.together_maximum = max(self.together_maximum, len(self.open()))
        return True

    def submit(self, submission: Submission) -> None:
        assert submission.key is not None
        self.runs.setdefault(submission.key, Run(submission.id))

    def open(self) -> list[Run]:
        return [run for run in self.runs.values() if run.status not in FINAL]


@dataclass
class World:
    seed: int
    chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        chance = self.chance = random.Random(self.seed)
        expression, self.interval = chance.choice([("* * * * *", 1), ("*/7 * * * *", 7), ("0 * * * *", 60)])
        longest = chance.choice([0, 0.5, 3, 20]) * self.interval * 60
        self.cron = Cron(
            expression,
            chance.choice(["UTC", "Europe/Berlin"]),
            chance.choice(["none", "last", "all"]),
            chance.choice([1, 5, 100]),
            chance.choice(["queue", "skip", "cancel", "allow"]),
            jitter=min(longest, 86_400),
        )
        self.table = Table(chance)
        self.info = [WorkflowInfo("report", b"{}", None, "code", ScheduleSpec.of(self.cron, None))]
        self.end = START + MAX_TICKS * self.interval * MINUTE
        self.step = max(SECOND, self.interval * MINUTE // chance.choice([4, 9]))
        self.up: dict[int, tuple[Ticker, int]] = {}  # nodes: their ticker and how far their clock is off
        self.looked_at: list[int] = []  # when some node was up and looked, by the database's clock
        self.has_outages = chance.random() < 0.5
        self.backfill_count = 0
        self.end_share = chance.choice([0.02, 0.2, 0.9])

    def run(self) -> None:
        now = START
        self._come(0, now)
        first = self.table.schedules()[0].mark_at
        while now < self.end:
            now += self.chance.randrange(1, self.step)
            self._nodes_come_and_go(now)
            for number in list(self.up):
                self._look(number, now)
            self._backfill()
            for run in self.table.open():
                if self.chance.random() < self.end_share:
                    run.status = Status.COMPLETED
            if self.up:
                self.looked_at.append(now)
        for run in self.table.open():
            run.status = Status.COMPLETED
        self._check(first)

    def _backfill(self) -> None:
        """A person is sometimes before the nodes with a tick that is about to fire."""
        row = self.table.row
        if self.cron.overlap == "allow" and row is not None and row.next_at is not None and self.chance.random() < 0.02:
            self.table.submit(schedules.tick_submission(row, row.next_at, self.table.namespace))
            self.backfill_count += 1

    def _come(self, number: int, now: int) -> None:
        skew = self.chance.choice([0, 0, 0, self.chance.randrange(-MAX_SKEW_US, MAX_SKEW_US)])
        ticker = Ticker(self.table)  # type: ignore[arg-type]
        ticker.register(NodeRef(str(number), 1), self.info, now + skew)
        self.up[number] = ticker, skew

    def _nodes_come_and_go(self, now: int) -> None:
        for number in range(3):
            if number in self.up and self.chance.random() < 0.01 and (self.has_outages or len(self.up) > 1):
                del self.up[number]
            elif number not in self.up and self.chance.random() < 0.02:
                self._come(number, now)

    def _look(self, number: int, now: int) -> None:
        ticker, skew = self.up[number]
        ticker.look_soon()
        with suppress(StoreUnavailable):  # asked again at the next turn
            ticker.look(NodeRef(str(number), 1), now + skew)

    def _check(self, first: int) -> None:
        row, runs = self.table.row, self.table.runs
        assert row is not None
        queued = take_ticks(row.progress.queue, 10**6)[0]
        ticks = [to_instant(tick) for tick in self.cron.ticks(to_datetime(first), to_datetime(row.mark_at), 10**6)]
        keys = {schedules.tick_key(to_datetime(at)): at for at in ticks}
        fired = [keys[key] for key in runs if key in keys]  # all but a backfill of the next tick
        assert self.cron.overlap == "allow" or fired == sorted(fired), "ticks run in their order"
        assert not set(fired) & set(queued) and queued == sorted(set(queued)), "each once"
        told = len(fired) + len(queued) + row.progress.skipped_count
        assert told <= len(ticks) + self.backfill_count, "a backfill's tick may be passed over by the nodes"
        assert told >= len(ticks) or self.has_outages, "each is accounted for"
        if self.cron.overlap != "allow":
            assert self.table.together_maximum <= 1, "one at a time"
        last = row.progress.last_execution_id
        assert last is None or self.table.get([last]) != [None], "it names an execution that is"
        if self.cron.overlap in ("queue", "allow"):
            lost = [at for at in self._on_time(ticks) if at not in {*fired, *queued}]
            assert not lost, f"lost, though a node was up: {[str(to_datetime(at)) for at in lost]}"

    def _on_time(self, ticks: list[int]) -> list[int]:
        """Ticks at whose time, and long enough after it, some node was up: whatever catch-up says, they are fired."""
        times = self.cron._fire_times([to_datetime(at) for at in ticks], "report")
        found = []
        for tick_at, time in zip(ticks, times, strict=True):
            fires_at = to_instant(time)
            until = fires_at + PUNCTUAL_US - MAX_SKEW_US
            if bisect(self.looked_at, until) - bisect(self.looked_at, fires_at) >= LOOKS:
                found.append(tick_at)
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2_000)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    logging.disable()
    for seed in range(options.first, options.first + options.seeds):
        try:
            World(seed).run()
        except AssertionError as error:
            cron = World(seed).cron
            story = f"{cron!r}, overlap {cron.overlap}, jitter {cron.jitter}"
            raise SystemExit(f"seed {seed} ({story}): {error}") from error
    print(f"{options.seeds} worlds: no tick lost, doubled or out of order")


if __name__ == "__main__":
    main()
