"""Bulk steps: an outcome for each item, a record for each chunk, and nothing of a recorded chunk again."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import hydra
import pytest
from hydra import codec
from hydra.client.timeline import progress_line
from hydra.client.views import bulk_views
from hydra.execution import Ending
from hydra.frames import Recorded
from hydra.records.map_outcomes import Chunk, Tally
from hydra.retry import Backoff
from hydra.workflow import step, workflow

from tests.body.supervising import Supervisor


@dataclass
class Receipt:
    item: int
    amount: Decimal


class Unfit:
    """Nothing that a payload could hold."""


@pytest.mark.parametrize("inline", [True, False])
def test_g3_g4_killed_at_any_record_no_item_of_a_recorded_chunk_runs_again(inline: bool) -> None:
    effects: Counter[tuple[int, str]] = Counter()

    @step(inline=inline)
    def charge(item: int, currency: str) -> Receipt:
        effects[item, hydra.idempotency_key()] += 1
        if item % 10 == 3:
            raise ValueError(f"no {item} {currency}")
        return Receipt(item, Decimal(item))

    @workflow
    def bill(count: int) -> list[Any]:
        outcomes = hydra.map(charge.bind_each(range(count), "EUR"), chunk=10, concurrency=4)
        assert len(outcomes) == count
        assert outcomes.failed_count == 4
        return [str(each.error) if each.is_failed else each.result().amount for each in outcomes]

    expected = [f"no {item} EUR" if item % 10 == 3 else Decimal(item) for item in range(35)]
    for crash_after in range(6):
        effects.clear()
        supervisor = Supervisor()
        execution = supervisor.submit(bill.bind(35))
        supervisor.finish(crash_after=crash_after)
        assert execution.result() == expected
        assert len(execution.records) == 1 + 4
        assert supervisor.death_count == (1 if crash_after < 5 else 0)
        assert len(effects) == 35, "each item has one idempotency key"
        recorded_count = max(0, crash_after - 1) * 10
        assert all(count == 1 for (item, _), count in effects.items() if item < recorded_count)


def test_items_are_tried_again_by_the_steps_policy_and_wait_as_a_row() -> None:
    tries: Counter[int] = Counter()
    attempts = []

    @step(inline=True, max_attempts=3, backoff=Backoff(initial=60.0, factor=1.0, jitter=0.0), retry_on=(OSError,))
    def charge(item: int) -> int:
        tries[item] += 1
        attempts.append((item, hydra.current().attempt))
        if item == 7:
            raise ConnectionError("never")
        if item == 8:
            raise ValueError("at once")
        if item % 5 == 0 and tries[item] == 1:
            raise ConnectionError("not yet")
        return -item

    @workflow
    def flow() -> list[int | str]:
        outcomes = hydra.map(charge.bind_each(list(range(20))), chunk=6)
        assert [each.index for each in outcomes.failures()] == [8, 7]
        assert outcomes[7].is_failed
        with pytest.raises(ConnectionError, match="never"):
            outcomes[7].result()
        assert [each.index for each in outcomes[18:]] == [18, 19]
        assert outcomes[-1].result() == -19
        return [str(each.error) if each.is_failed else each.result() for each in outcomes]

    supervisor = Supervisor()
    execution = supervisor.submit(flow.bind())
    supervisor.finish()
    expected: list[int | str] = [-item for item in range(20)]
    expected[7], expected[8] = "never", "at once"
    assert execution.result() == expected
    assert tries == {item: {0: 2, 5: 2, 10: 2, 15: 2, 7: 3}.get(item, 1) for item in range(20)}
    assert [attempt for item, attempt in attempts if item == 7] == [1, 2, 3]
    assert [end.kind for end in execution.ends] == [Ending.SLEEPING, Ending.SLEEPING, Ending.COMPLETED]


def test_no_more_items_run_at_once_than_asked_for() -> None:
    running = 0
    most = 0

    @step
    async def fetch(item: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        while most < 3:  # however late the others come
            await asyncio.sleep(0.001)
        running -= 1
        return item

    @workflow
    async def flow() -> int:
        outcomes = await hydra.aio.map(fetch.bind_each(range(40)), chunk=20, concurrency=3)
        return sum(outcomes.results())

    supervisor = Supervisor()
    execution = supervisor.submit(flow.bind())
    supervisor.finish()
    assert execution.result() == sum(range(40))
    assert most == 3


def test_a_drain_records_what_is_done_of_a_chunk_and_the_rest_runs_later() -> None:
    runs: Counter[int] = Counter()
    supervisor = Supervisor()

    @step(inline=True)
    def charge(item: int) -> int:
        runs[item] += 1
        if item == 40 and runs[40] == 1:
            supervisor.halt(execution, "drain")
        return item

    @workflow
    def flow() -> int:
        return sum(hydra.map(charge.bind_each(range(200)), chunk=200, concurrency=1).results())

    execution = supervisor.submit(flow.bind())
    supervisor.finish()
    assert execution.result() == sum(range(200))
    assert execution.ends[0].kind == Ending.RELEASED
    assert len(execution.records) == 1 + 2
    assert runs == Counter(range(200))


def test_a_map_begins_when_what_the_body_knows_is_durable() -> None:
    supervisor = Supervisor()
    seen: list[int] = []

    @step(inline=True)
    def one() -> int:
        return 1

    @step(inline=True)
    def charge(item: int) -> int:
        seen.append(len(execution.records))
        return item

    @workflow
    def flow() -> int:
        one()
        return len(hydra.map(charge.bind_each(range(30)), chunk=10))

    execution = supervisor.submit(flow.bind())
    supervisor.finish()
    assert execution.result() == 30
    assert min(seen[:10]) >= 2, "the step's record and the map's own"
    assert min(seen[20:]) >= 3, "the chunk before the last one"


def test_other_items_than_the_record_has_park_the_execution() -> None:
    count = 20
    factor = 1

    @step(inline=True)
    def charge(item: int) -> int:
        return item

    @workflow
    def flow() -> int:
        hydra.map(charge.bind_each([item * factor for item in range(count)]), chunk=10)
        hydra.sleep(3600)
        return 1

    for change in ("count", "factor"):
        count, factor = 20, 1
        supervisor = Supervisor()
        execution = supervisor.submit(flow.bind())
        supervisor.run()
        count, factor = (21, 1) if change == "count" else (20, 2)
        supervisor.finish()
        assert execution.end.kind == Ending.PARKED
        assert execution.end.payload is not None
        assert "other" in codec.decode(execution.end.payload)


def test_the_size_of_chunks_may_change_between_runs() -> None:
    chunk = 7
    runs: Counter[int] = Counter()

    @step(inline=True)
    def charge(item: int) -> int:
        runs[item] += 1
        return item

    @workflow
    def flow() -> int:
        return sum(hydra.map(charge.bind_each(range(50)), chunk=chunk).results())

    supervisor = Supervisor()
    execution = supervisor.submit(flow.bind())

    def change(frames: list[Any]) -> None:
        nonlocal chunk
        chunk = 20

    supervisor.on_send = change
    supervisor.finish(crash_after=3)
    assert execution.result() == sum(range(50))
    assert all(count == 1 for item, count in runs.items() if item < 14)


def test_results_too_large_for_one_payload_take_several_records(monkeypatch: pytest.MonkeyPatch) -> None:
    @step(inline=True)
    def render(item: int) -> bytes:
        return bytes(6_000_000)

    @workflow
    def flow() -> list[int]:
        return [len(each) for each in hydra.map(render.bind_each(range(5)), chunk=5).results()]

    supervisor = Supervisor()
    execution = supervisor.submit(flow.bind())
    supervisor.finish()
    assert execution.result() == [6_000_000] * 5
    assert len(execution.records) > 2


def test_a_result_that_cannot_be_kept_is_that_items_failure() -> None:
    @step(inline=True)
    def render(item: int) -> Any:
        if item == 1:
            return Unfit()
        if item == 2:
            return bytes(17_000_000)
        return item

    @workflow
    def flow() -> list[str]:
        return [type(each.error).__name__ for each in hydra.map(render.bind_each(range(4)))]

    supervisor = Supervisor()
    execution = supervisor.submit(flow.bind())
    supervisor.finish()
    assert execution.result() == ["NoneType", "PayloadError", "PayloadTooLarge", "NoneType"]


def test_a_step_that_outlives_its_time_out_fails_its_item_only() -> None:
    gate = threading.Event()

    @step(timeout=0.05)
    def charge(item: int) -> int:
        if item == 3:
            gate.wait(20)
        return item

    @workflow
    def flow() -> list[str]:
        outcomes = hydra.map(charge.bind_each(range(6)), concurrency=2)
        return [type(each.error).__name__ if each.is_failed else str(each.result()) for each in outcomes]

    supervisor = Supervisor()
    execution = supervisor.submit(flow.bind())

    def let_it_end(frames: list[Any]) -> None:
        if supervisor.recycles:
            gate.set()

    supervisor.on_send = let_it_end
    supervisor.finish()
    assert execution.result() == ["0", "1", "2", "StepTimeout", "4", "5"]


def test_maps_without_items_and_outside_an_execution() -> None:
    @step
    def charge(item: int) -> int:
        return 10 // item

    @workflow
    def flow() -> int:
        return len(hydra.map(charge.bind_each([])))

    supervisor = Supervisor()
    execution = supervisor.submit(flow.bind())
    supervisor.finish()
    assert execution.result() == 0
    outcomes = hydra.map(charge.bind_each(item for item in (0, 5)))
    assert (outcomes.failed_count, outcomes[1].result(), outcomes[0].is_failed) == (1, 2, True)


def test_what_cannot_be_mapped_is_said_in_one_sentence() -> None:
    @step
    def charge(item: int) -> int:
        return item

    @hydra.transaction
    def post(connection: Any, item: int) -> int:
        return item

    with pytest.raises(hydra.HydraError, match="takes a step bound to items"):
        hydra.map(charge.bind(1))  # type: ignore[arg-type]
    with pytest.raises(hydra.HydraError, match="`chunk` must be a whole number"):
        hydra.map(charge.bind_each([1]), chunk=0)
    with pytest.raises(hydra.HydraError, match="`concurrency` must be"):
        hydra.map(charge.bind_each([1]), concurrency=0)
    with pytest.raises(hydra.HydraError, match="cannot be called like this"):
        charge.bind_each([1], 2)  # type: ignore[call-arg]
    with pytest.raises(hydra.HydraError, match="cannot be bound to each"):
        post.bind_each([1])

    @step(lookup=lambda key: None)
    def doubtful(item: int) -> int:
        return item

    with pytest.raises(hydra.HydraError, match="has a `lookup`"):
        doubtful.bind_each([1])


def test_frames_leave_while_a_map_runs() -> None:
    """So that a heartbeat, a halt and other executions get their turn."""
    seen: list[int] = []
    supervisor = Supervisor()
    supervisor.on_send = lambda frames: seen.extend(len(f.records) for f in frames if isinstance(f, Recorded))

    @step(inline=True)
    def charge(item: int) -> int:
        return item

    @workflow
    def flow() -> int:
        return len(hydra.map(charge.bind_each(range(100)), chunk=10))

    supervisor.submit(flow.bind())
    supervisor.finish()
    assert len(seen) >= 5


def test_the_records_alone_tell_how_far_a_map_has_come() -> None:
    @step(inline=True, max_attempts=2, backoff=Backoff(initial=60.0))
    def charge(item: int) -> int:
        if item == 3:
            raise ConnectionError("not yet")
        if item == 25:
            supervisor.halt(execution, "drain")
        return item

    @workflow
    def flow() -> int:
        return len(hydra.map(charge.bind_each(range(100)), chunk=10, concurrency=1))

    supervisor = Supervisor()
    execution = supervisor.submit(flow.bind())
    supervisor.run()
    (bulk,) = bulk_views(execution.records)
    assert (bulk.step, bulk.item_count, bulk.failed_count, bulk.retrying_count) == ("charge", 100, 0, 1)
    assert 25 <= bulk.done_count < 50
    assert progress_line(bulk).startswith(f"{bulk.done_count} of 100 items ({bulk.done_count} %), 1 to be tried again")
    supervisor.finish()
    (bulk,) = bulk_views(execution.records)
    assert progress_line(bulk) == "100 of 100 items (100 %), 1 failed"


def test_items_that_cannot_be_recorded_have_no_effect(supervisor: Supervisor) -> None:
    ran: list[Any] = []

    @step(inline=True)
    def charge(item: Any) -> int:
        ran.append(item)
        return 1

    class Broken(Sequence[int]):
        """Its first items can be read, once; the others cannot."""

        def __init__(self) -> None:
            self.reads = 0

        def __len__(self) -> int:
            return 6

        def __getitem__(self, index: Any) -> Any:
            self.reads += 1
            if self.reads > 3:
                raise OSError("the disk is gone")
            return index

    @workflow
    def unfit() -> int:
        return len(hydra.map(charge.bind_each([1, Unfit()])))

    @workflow
    def broken() -> int:
        return len(hydra.map(charge.bind_each(Broken()), chunk=3))

    first, second = supervisor.submit(unfit.bind()), supervisor.submit(broken.bind())
    supervisor.finish()
    assert isinstance(first.error(), hydra.PayloadError)
    assert isinstance(second.error(), OSError)
    assert ran == []
    assert second.records == []


def test_a_map_of_which_everything_fails_at_first_costs_no_more_for_each_chunk() -> None:
    tally = Tally(3000)
    looked_at = 0

    class Counted(dict[int, tuple[int, int]]):
        def __contains__(self, index: object) -> bool:
            nonlocal looked_at
            looked_at += 1
            return super().__contains__(index)

    tally.later = Counted()
    for start in range(0, 3000, 100):
        assert tally.next_indices(100, now=50) == list(range(start, start + 100))
        later = [[index, 1, 100 + index] for index in range(start, start + 100)]
        payload = codec.encode([start, start + 100, [], later, [], codec.encode([])])
        tally.add(payload, Chunk(payload))
    assert looked_at < 10 * 3000
    assert (tally.done_count, tally.first_due_at) == (0, 100)
    assert tally.next_indices(100, now=99) == []
    assert tally.next_indices(100, now=149) == list(range(50))
    assert tally.first_due_at == 150


def test_an_item_cut_off_by_a_cancel_has_no_outcome() -> None:
    begun = asyncio.Event()

    @step(cancel_grace=0.05)
    async def fetch(item: int) -> int:
        if item == 3:
            supervisor.halt(execution, "cancelled")
            await begun.wait()
        return item

    @workflow
    async def flow() -> int:
        return len(await hydra.aio.map(fetch.bind_each(range(10)), concurrency=1))

    supervisor = Supervisor()
    execution = supervisor.submit(flow.bind())
    supervisor.finish()
    assert execution.end.kind == Ending.CANCELLED
    (bulk,) = bulk_views(execution.records)
    assert (bulk.done_count, bulk.failed_count, bulk.retrying_count) == (3, 0, 1)
    assert [record.ordinal for record in execution.records if record.kind == "crash"] == [3]
