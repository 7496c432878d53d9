"""A run in which a record of a body is refused, as a child by name without a key is: what its steps did stays done.

record ─► refused: its body stops, its steps under way end ─► parked ─► resumed by a person ─► … ─► the end
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hydra.execution import Record, RecordKind
from hydra.node import spawns_by_name, store_thread
from hydra.node.spawns_by_name import RefusedSpawn
from hydra.records.map_outcomes import CHUNK_PREFIX
from hydra.testing import Harness

from tests.programs.grammar import Block, Node, Part, Program
from tests.programs.running import Plan, Run

REFUSED = "the plan refuses this"
KINDS = (RecordKind.SPAWN, RecordKind.VALUE, RecordKind.EVENT)
TIMES = 2  # that a record is refused: once while its body runs, once when that has ended


class RefusingRun(Run):
    """`refusable_count`: records that could have been; `places` says which of them were, by their numbers."""

    def __init__(self, program: Program, places: frozenset[int], harness: Harness, seed: int) -> None:
        super().__init__(program, Plan("none", seed=seed), harness)
        self._places = places
        self._numbers: dict[Any, int] = {}
        self._refused: Counter[int] = Counter()

    @property
    def refusable_count(self) -> int:
        return len(self._numbers)

    @property
    def refused_count(self) -> int:
        return len(self._refused)

    def run(self) -> Run:
        self.recording.is_repeated = False
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(store_thread, "completed", spawns_by_name._all_completed)
            patched.setattr(spawns_by_name, "_is_spawn", is_refusable)
            patched.setattr(spawns_by_name, "_with_terms", self._with_terms)
            return super().run()

    def _with_terms(self, record: Record, registered: Callable[[str], Mapping[str, Any]]) -> Record:
        identity = record.kind, record.branch, record.name, record.ordinal, record.digest, record.payload, record.seq
        number = self._numbers.setdefault((*identity, record.finished_at), len(self._numbers))
        if number in self._places and self._refused[number] < TIMES:
            self._refused[number] += 1
            raise RefusedSpawn(REFUSED)
        return record

    def _go_on(self) -> bool:
        has_more = super()._go_on()
        for id in self._names:
            handle: Any = self._harness.engine.get(id)
            if str(handle.status()) == "parked" and REFUSED in handle.execution().reason:
                handle.resume()
                has_more = True
        return has_more


def is_refusable(record: Record) -> bool:
    return record.kind in KINDS and not record.name.startswith(CHUNK_PREFIX)


def with_begun(program: Program, chance: random.Random) -> Program:
    """Every other step of an async body goes on while the rest of its block does: in an async body one task may await
    what another has called."""

    def changed(block: Block) -> Block:
        for place, node in enumerate(block):
            if node.kind == "act" and chance.random() < 0.5:
                return (*block[:place], Node("begin", node.site, node.options, (changed(block[place + 1 :]),)))
            block = (*block[:place], node.with_blocks(tuple(map(changed, node.blocks))), *block[place + 1 :])
        return block

    parts = [Part(True, changed(part.block)) if part.is_async else part for part in program.parts]
    return replace(program, parts=tuple(parts))


def check_refusals(program: Program, harness: Harness, seed: int) -> tuple[int, list[str]]:
    """How many were refused in a run of it, and what did not hold."""
    program = with_begun(program, random.Random(seed))
    whole = RefusingRun(program, frozenset(), harness, seed)
    whole.run()
    if not whole.refusable_count:
        return 0, []
    chance = random.Random(seed)
    places = frozenset(chance.randrange(whole.refusable_count) for _ in range(2))
    run = RefusingRun(program, places, harness, seed)
    run.run()
    return run.refused_count, run.recording.inconsistencies()
