"""What must hold of the three flows after whatever was done to them: ends, effects, and that nothing ran again."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import hydra
from hydra.execution import RecordKind, Status
from hydra.stores import open_store

from tests.support.scenarios import Scenario

Place = tuple[str, str, str, str]  # execution, branch, name, ordinal
OPEN = (Status.PENDING, Status.RUNNING, Status.SLEEPING, Status.WAITING)
RESULTS = (RecordKind.STEP, RecordKind.FAILURE)


def tries(log: Path) -> dict[Place, list[int]]:
    """When each try of each step began, in the order in which they did; by hydra's word, which its record repeats."""
    found: dict[Place, list[int]] = defaultdict(list)
    for line in log.read_text().rpartition("\n")[0].splitlines():
        execution, branch, name, ordinal, _, started_at, what, _ = line.split("\t")
        if what == "start":
            found[(execution, branch, name, ordinal)].append(int(started_at))
    return found


def reruns(url: str, log: Path) -> tuple[int, list[str]]:
    """How many results are recorded, and each that is wrong: its step began again after it, or never began."""
    store, began = open_store(url), tries(log)
    wrong, count = [], 0
    for id in sorted({place[0] for place in began}):
        for record in store.records(id):
            if record.kind not in RESULTS:
                continue
            count += 1
            starts = began.get((id, record.branch, record.name, str(record.ordinal)), [])
            if record.started_at not in starts:
                wrong.append(f"{id} {record.branch} {record.name}: recorded, but never run")
            elif again := len(starts) - 1 - starts.index(record.started_at):
                wrong.append(f"{id} {record.branch} {record.name}: began {again} times after the one recorded")
    store.close()
    return count, wrong


def ends(scenario: Scenario, handle: Any, folder: Path, number: str) -> list[str]:
    """What is not as it must be with one execution."""
    wrong = []
    if str(handle.status()) != scenario.ends:
        wrong.append(f"{number} ({scenario.name}) is {handle.status()}: {handle.execution().reason}")
    if (found := scenario.world(folder, number)) != scenario.expected:
        wrong.append(f"{number} ({scenario.name}) left {found}, not {scenario.expected}")
    return wrong


def is_over(engine: hydra.Engine) -> bool:
    counts = engine.stats().counts.values()
    return not any(of_one.get(status) for of_one in counts for status in OPEN)
