"""Where claims start to read: always at the head, until an old snapshot makes that dear."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
from hydra.stores.postgres import heads
from hydra.stores.postgres.heads import HEAD, TRIAL_COUNT, Heads

from tests.stores.postgres_stage import PostgresStage
from tests.stores.racing import NOW, ended, submission

QUICK, SLOW = 0.001, 0.1
CLAIMED = [("bill", 5, 1_000_000), ("bill", 0, 2_000_000), ("dun", 0, 900_000)]


def claims(chosen: Heads, seconds_at_head: float, seconds_past: float, start_at: float = 0.0) -> Iterator[bool]:
    """Claims without end; whether each began at the head."""
    now = start_at
    while True:
        places = chosen.choose(["bill", "dun"], now)
        at_head = places == [HEAD, HEAD]
        seconds = seconds_at_head if at_head else seconds_past
        now += seconds
        chosen.learn(places, CLAIMED, seconds, now)
        yield at_head


def take(source: Iterator[bool], count: int) -> list[bool]:
    return [next(source) for _ in range(count)]


def test_a_quick_head_is_read_by_every_claim() -> None:
    assert all(take(claims(Heads(), QUICK, QUICK), 1000))


def test_past_a_slow_head_a_tenth_of_the_time_still_goes_to_it() -> None:
    source = claims(Heads(), SLOW, QUICK)
    assert all(take(source, TRIAL_COUNT))
    assert not any(take(source, TRIAL_COUNT))
    later = take(source, 20_000)
    spent_at_head, spent_past = later.count(True) * SLOW, later.count(False) * QUICK
    assert 0.05 < spent_at_head / (spent_at_head + spent_past) < 0.11


def test_the_head_is_read_every_second_however_slow_it_is() -> None:
    source = claims(Heads(), 5.0, QUICK)
    take(source, 2 * TRIAL_COUNT)
    assert sum(take(source, 1_100)) == 1


def test_a_machine_that_is_slow_altogether_goes_back_to_the_head() -> None:
    source = claims(Heads(), SLOW, SLOW)
    take(source, 2 * TRIAL_COUNT)
    assert all(take(source, 200))


def test_a_head_that_is_quick_again_is_read_by_every_claim() -> None:
    chosen = Heads()
    take(claims(chosen, SLOW, QUICK), 5 * TRIAL_COUNT)
    source = claims(chosen, QUICK, QUICK, start_at=100.0)
    take(source, 2_000)
    assert all(take(source, 100))


def test_a_place_is_the_first_of_each_queue_that_was_taken() -> None:
    chosen = Heads()
    take(claims(chosen, SLOW, QUICK), TRIAL_COUNT + 1)
    places = chosen.choose(["bill", "dun", "never claimed"], 0.0)
    assert places == [(-5, 1_000_000 - heads.SLACK_US), (0, 900_000 - heads.SLACK_US), HEAD]


def test_work_that_came_late_waits_for_the_head_only(stage: PostgresStage) -> None:
    """Past its place a claim finds what is due there; what lies before is found from the head."""
    early, place, late = (submission(run_at=NOW + number) for number in (-9_000_000, 0, 1))
    stage.a.submit([place, late, early], NOW + 1)
    chosen = stage.a._heads
    chosen.choose = lambda workflows, now: [(0, NOW - heads.SLACK_US)] * len(workflows)  # type: ignore[method-assign]
    assert [execution.id for execution in stage.claim_a()] == [place.id, late.id]
    del chosen.choose
    assert [execution.id for execution in stage.claim_a()] == [early.id]


def test_a_claim_past_the_dead_reads_a_handful_of_pages(stage: PostgresStage) -> None:
    """A transaction is held open, so nobody may forget the two thousand executions that come and go meanwhile."""
    with psycopg.connect(stage.raw.info.dsn) as old:
        old.execute("set transaction isolation level repeatable read")
        old.execute("select 1 from hydra_schema")
        for _ in range(20):
            stage.a.submit([submission() for _ in range(100)], NOW)
            claimed = stage.claim_a(100)
            stage.a.commit(stage.node_a, [ended(execution, "completed") for execution in claimed], NOW)
        stage.a.submit([submission(run_at=NOW + 1) for _ in range(10)], NOW + 1)
        assert index_pages(stage, HEAD) > 10 * index_pages(stage, (0, NOW + 1))


def index_pages(stage: PostgresStage, place: tuple[int, int]) -> int:
    """Pages that reading the head of the queue from that place touches."""
    row = stage.raw.execute(
        """
        explain (analyze, buffers, format json)
        select id
        from hydra_execution
        where namespace = 'default'
            and workflow = 'bill'
            and status = 'pending'
            and wake_at is null
            and (-priority::bigint, run_at) >= (%s, %s)
        order by -priority::bigint, run_at, id
        limit 10
        """,
        place,
    ).fetchone()
    assert row is not None
    plan = row[0][0]["Plan"]
    assert "hydra_execution_ready" in str(plan)
    return int(plan["Shared Hit Blocks"]) + int(plan["Shared Read Blocks"])
