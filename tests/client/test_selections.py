"""`engine.select`: counts, groups, and acts on many; and `engine.rerun`. On every database."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import hydra
import pytest
from hydra import Status
from hydra.client import bulk, criteria, selection
from hydra.errors import ConfigError, IllegalMove, NotFound
from hydra.execution import Snapshot
from hydra.stores.filter import Filter

from tests.stores.conftest import DATABASES
from tests.stores.store_values import end, register

LONG_AGO = timedelta(days=1)
GOOD_CARD = "visa-good"
is_fixed = False


class CardError(Exception):
    pass


@hydra.step
def chosen_debit(card: str) -> str:
    if card != GOOD_CARD and not is_fixed:
        raise CardError(f"card {card} was refused")
    return card


@hydra.step
def chosen_give_back(card: str) -> None:
    return None


@hydra.step
def chosen_dispatch(card: str) -> None:
    if not is_fixed:
        raise LookupError(f"no goods for {card}")


@hydra.workflow
def chosen_collect(card: str) -> str:
    return chosen_debit(card)


@hydra.workflow
def chosen_collect_and_send(card: str) -> str:
    chosen_debit(GOOD_CARD)
    chosen_dispatch(card)
    return card


@hydra.workflow
def chosen_collect_or_undo(card: str) -> str:
    chosen_debit(GOOD_CARD)
    hydra.on_failure(chosen_give_back.bind(card))
    chosen_dispatch(card)
    return card


@hydra.workflow
def chosen_ask(card: str) -> str:
    return hydra.wait_event("answer", type=str)


@pytest.fixture(autouse=True)
def bug() -> Iterator[None]:
    global is_fixed
    is_fixed = False
    yield
    is_fixed = False


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest) -> str:
    """A database of the test's own, of each kind."""
    return DATABASES[request.param](request)


@pytest.fixture
def engine(url: str) -> Iterator[hydra.Engine]:
    with hydra.Engine(url) as engine:
        yield engine
        assert engine.audit() == []


def run(engine: hydra.Engine, *bounds: hydra.BoundWorkflow[str], keys: list[str] | None = None) -> list[str]:
    """To their ends; the ids."""
    with engine.worker():
        handles = engine.submit_many(bounds, keys=keys)
        for handle in handles:
            with suppress(hydra.WorkflowFailed):
                handle.result(timeout=60)
    return [handle.id for handle in handles]


def park(engine: hydra.Engine, *bounds: hydra.BoundWorkflow[str]) -> list[str]:
    ids = [handle.id for handle in engine.submit_many(bounds)]
    store, now = engine.session().store, engine.session().now()
    node = register(store, now=now)
    while "pending" in statuses(engine, ids):
        for claimed in store.claim(node, [bounds[0].name], 10, now):
            assert end(store, node, claimed, "parked", now=now)
    return ids


def statuses(engine: hydra.Engine, ids: list[str]) -> list[str]:
    return [str(engine.get(id).status()) for id in ids]


def test_failures_of_one_fault_are_one_group_and_chosen_by_it(engine: hydra.Engine) -> None:
    refused = run(engine, *(chosen_collect.bind(f"visa-{n}") for n in range(7)), chosen_collect.bind(GOOD_CARD))[:7]
    unsent = run(engine, *(chosen_collect_and_send.bind(f"visa-{n}") for n in range(3)))
    first, second = engine.select().errors()
    assert (first.kind, first.step, first.count, first.workflows) == (
        "CardError",
        "chosen_debit",
        7,
        {"chosen_collect": 7},
    )
    assert (first.message, first.place.partition(":")[0]) == ("card # was refused", "test_selections.py")
    assert first.example_id == max(refused) and first.first_at <= first.last_at
    assert (second.kind, second.count) == ("LookupError", 3)
    assert {one.id for one in engine.executions(error=first.error)} == set(refused)
    assert {one.id for one in engine.executions(error="LookupError")} == set(unsent)
    assert [one.id for one in engine.executions(reason="NO GOODS for visa-2")] == [max(unsent)]
    assert engine.executions(error=first.error, status="completed") == []
    assert engine.select(error=first.error).count() == 7
    assert engine.select().count_by("reason") == {
        "CardError: card # was refused": 7,
        "LookupError: no goods for #": 3,
    } | {"": 1}
    assert engine.select().count_by("workflow") == {"chosen_collect": 8, "chosen_collect_and_send": 3}
    assert engine.select("failed", since=LONG_AGO).count_by("status") == {"failed": 10}
    assert engine.select(until=LONG_AGO).count() == 0
    assert engine.select("failed", chosen_collect).count() == 7


def test_pages_go_both_ways_and_end_where_they_are_told(engine: hydra.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(criteria, "PAGE_SIZE", 3)
    ids = sorted(handle.id for handle in engine.submit_many([chosen_collect.bind(f"visa-{n}") for n in range(8)]))
    assert [one.id for one in engine.executions(oldest_first=True, limit=3)] == ids[:3]
    assert [one.id for one in engine.executions(oldest_first=True, after=ids[2], limit=3)] == ids[3:6]
    assert [one.id for one in engine.executions(before=ids[5], after=ids[2])] == [ids[4], ids[3]]
    begun = datetime.now(UTC)
    assert engine.executions(since=begun + LONG_AGO) == []
    assert len(engine.executions(since=begun - LONG_AGO, until=begun + LONG_AGO)) == 8
    assert engine.select(until=begun + LONG_AGO).count() == 8
    with pytest.raises(ConfigError, match="nothing lies between them"):
        engine.executions(since=begun, until=begun - LONG_AGO)
    with pytest.raises(ConfigError, match="has no time zone"):
        engine.select(since=datetime(2026, 1, 1))
    with pytest.raises(ConfigError, match="is not a status"):
        engine.select("gone")
    with pytest.raises(ConfigError, match="`reason` must be a text"):
        engine.select(reason="")
    with pytest.raises(ConfigError, match="nothing to group by"):
        engine.select().count_by("key")


def test_a_retry_of_many_goes_on_and_refuses_what_would_only_be_parked(engine: hydra.Engine) -> None:
    global is_fixed
    refused = run(engine, *(chosen_collect.bind(f"visa-{n}") for n in range(5)))
    undone = run(engine, chosen_collect_or_undo.bind("visa-1"))
    failed = engine.select("failed")
    dry = failed.retry(dry_run=True)
    assert (dry.matched_count, set(dry.done), set(dry.refused), dry.is_dry_run) == (6, set(refused), set(undone), True)
    assert statuses(engine, refused + undone) == ["failed"] * 6
    with pytest.raises(IllegalMove, match="6 executions match, and at most 5 were expected"):
        failed.retry(at_most=5)
    assert statuses(engine, refused + undone) == ["failed"] * 6
    looked_at: list[int] = []
    acted = failed.retry(at_most=6, progress=looked_at.append)
    assert acted.done == dict.fromkeys(refused, "pending") and looked_at == [6]
    assert "were undone when it failed" in acted.refused[undone[0]]
    is_fixed = True
    with engine.worker():
        assert [engine.get(id).result(timeout=60) for id in refused] == [f"visa-{n}" for n in range(5)]
    assert failed.retry().matched_count == 1  # it asks anew


def test_an_act_takes_no_more_than_it_may_hold(engine: hydra.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "BATCH_SIZE", 2)
    monkeypatch.setattr(selection, "BATCH_SIZE", 2)
    engine.submit_many([chosen_collect.bind(f"visa-{n}") for n in range(5)])
    assert engine.select(workflow=chosen_collect).cancel(dry_run=True).matched_count == 5
    acted = engine.select(workflow=chosen_collect).cancel(at_most=5)
    assert set(acted.done.values()) == {"cancelled"} and not acted.refused
    monkeypatch.setattr(selection, "MAX_ACT_COUNT", 3)
    with pytest.raises(IllegalMove, match="more than 3 executions match"):
        engine.select(workflow=chosen_collect).delete()
    assert engine.select(workflow=chosen_collect).count() == 5


def test_a_signal_reaches_each_that_goes_on_once(engine: hydra.Engine) -> None:
    with engine.worker():
        handles = engine.submit_many([chosen_ask.bind(f"visa-{n}") for n in range(4)])
        asked = engine.select(workflow=chosen_ask)
        assert set(asked.signal("answer", "yes", id="evt-1").done.values()) == {"signalled"}
        asked.signal("answer", "yes", id="evt-1")
        assert [handle.result(timeout=60) for handle in handles] == ["yes"] * 4
    late = engine.select("completed", chosen_ask).signal("answer", "no")
    assert not late.done and len(late.refused) == 4
    with pytest.raises(ConfigError):
        asked.signal("")


def test_an_act_takes_each_once_though_all_begin_while_it_chooses(
    engine: hydra.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    handles = engine.submit_many([chosen_ask.bind(f"visa-{n}") for n in range(4)])
    store = engine.session().store
    list_page = store.list

    def list_and_begin(filter: Filter) -> list[Snapshot]:
        page = list_page(filter)
        store.claim(node, ["chosen_ask"], 4, store.now())
        return page

    node = register(store, now=store.now())
    monkeypatch.setattr(store, "list", list_and_begin)
    acted = engine.select(workflow=chosen_ask).signal("answer", "yes")
    assert acted.matched_count == 4 and set(acted.done) == {handle.id for handle in handles}
    assert [len(store.messages(handle.id)) for handle in handles] == [1] * 4
    assert statuses(engine, list(acted.done)) == ["running"] * 4


def test_what_was_undone_runs_again_under_its_key_and_both_say_so(engine: hydra.Engine) -> None:
    global is_fixed
    (id,) = run(engine, chosen_collect_or_undo.bind("visa-1"), keys=["inv-1"])
    with pytest.raises(IllegalMove, match="were undone"):
        engine.get(id).retry()
    again = engine.rerun(id, reason="bug 81 is fixed")
    assert again.id != id and engine.find(chosen_collect_or_undo, "inv-1").id == again.id
    assert engine.rerun(id).id == again.id  # whoever asks again gets the same
    assert engine.submit(chosen_collect_or_undo.bind("visa-1"), key="inv-1").id == again.id
    (line,), (other,) = engine.get(id).acts(), again.acts()
    assert (line.kind, line.other_id, line.reason) == ("rerun", again.id, "bug 81 is fixed")
    assert (other.kind, other.other_id, other.detail) == ("rerun_of", id, f"runs `{id}` again")
    assert again.execution().tags == {"hydra.rerun_of": id}
    is_fixed = True
    with engine.worker():
        assert again.result(timeout=60) == "visa-1"


def test_what_still_stands_is_done_twice_by_force_only(engine: hydra.Engine) -> None:
    (sent,) = run(engine, chosen_collect_and_send.bind("visa-1"))
    with pytest.raises(
        IllegalMove, match="its step `chosen_debit` took effect and was not undone; `retry` goes on from there"
    ):
        engine.rerun(sent)
    (done,) = run(engine, chosen_collect.bind(GOOD_CARD))
    with pytest.raises(IllegalMove, match="has completed; say `force`"):
        engine.rerun(done)
    pending = engine.submit(chosen_collect.bind(GOOD_CARD))
    with pytest.raises(IllegalMove, match="is pending; only one that has ended"):
        engine.rerun(pending.id, force=True)
    with pytest.raises(NotFound):
        engine.rerun("nobody")
    assert engine.rerun(sent, force=True).status() is Status.PENDING
    assert engine.rerun(done, force=True).status() is Status.PENDING
    pending.cancel()
    assert engine.rerun(pending.id).status() is Status.PENDING  # it did nothing


@hydra.step
def chosen_debit_too(card: str) -> None: ...


@hydra.step(lookup=lambda card: hydra.UNSURE)
def chosen_transfer(card: str) -> None:
    raise ConnectionError("sent, and no answer came")


@hydra.step(timeout=0.2)
async def chosen_slow(card: str) -> None:
    await asyncio.sleep(60)


@hydra.step(limits=[hydra.Concurrency(9, name="chosen")])
def chosen_limited(card: str) -> None:
    raise ConnectionError("sent, and no answer came")


@hydra.workflow
def chosen_undo_one_of_two(card: str) -> None:
    chosen_debit(GOOD_CARD)
    hydra.on_failure(chosen_give_back.bind(card))
    chosen_debit_too(card)
    raise CardError(f"{card} is declined")


@hydra.workflow
def chosen_undo_and_transfer(card: str) -> None:
    chosen_debit(GOOD_CARD)
    hydra.on_failure(chosen_give_back.bind(card))
    chosen_transfer(card)


@hydra.workflow
async def chosen_undo_and_wait(card: str) -> None:
    await hydra.aio.call(chosen_debit.bind(GOOD_CARD))
    await hydra.aio.on_failure(chosen_give_back.bind(card))
    await chosen_slow(card)


@hydra.workflow
def chosen_undo_and_limited(card: str) -> None:
    chosen_debit(GOOD_CARD)
    hydra.on_failure(chosen_give_back.bind(card))
    chosen_limited(card)


@hydra.workflow
def chosen_undo_and_spawn(card: str) -> None:
    hydra.spawn(chosen_ask.bind(card))
    hydra.on_failure(chosen_give_back.bind(card))
    chosen_debit(GOOD_CARD)
    raise CardError(f"{card} is declined")


@pytest.mark.parametrize(
    ("workflow", "left"),
    [
        (chosen_undo_one_of_two, "it took effect 2 times, and 1 undo steps ran"),
        (chosen_undo_and_transfer, "its step `chosen_transfer` may have taken effect"),
        (chosen_undo_and_wait, "its step `chosen_slow` may have taken effect"),
        (chosen_undo_and_limited, "its step `chosen_limited` may have taken effect"),
        (chosen_undo_and_spawn, "it took effect 2 times, and 1 undo steps ran"),
    ],
    ids=lambda given: getattr(given, "name", ""),
)
def test_an_undo_step_stands_for_one_effect_and_for_none_that_is_in_doubt(
    engine: hydra.Engine, workflow: hydra.Workflow[[str], None], left: str
) -> None:
    (id,) = run(engine, workflow.bind("visa-1"))
    with pytest.raises(IllegalMove, match=left):
        engine.rerun(id)


def test_what_was_run_again_without_a_key_is_not_retried(engine: hydra.Engine) -> None:
    (id,) = run(engine, chosen_collect.bind("visa-1"))
    again = engine.rerun(id)
    with pytest.raises(IllegalMove, match=f"it was run again as `{again.id}`"):
        engine.get(id).retry()
    acted = engine.select("failed").rerun(reason="all")
    assert not acted.done and f"was run again before, as `{again.id}`" in acted.refused[id]


def test_many_run_again_and_their_keys_go_over(engine: hydra.Engine) -> None:
    keys = [f"inv-{n}" for n in range(6)]
    ids = run(engine, *(chosen_collect.bind(f"visa-{n}") for n in range(6)), keys=keys)
    acted = engine.select(error="CardError").rerun(at_most=6, reason="bug 81")
    assert set(acted.done) == set(ids)
    assert [engine.find(chosen_collect, key).id for key in keys] == [acted.done[id] for id in ids]
    assert {act.reason for id in ids for act in engine.get(id).acts()} == {"bug 81"}
    retried = engine.select("failed").retry()
    assert not retried.done and all("was run again before" in why for why in retried.refused.values())


@pytest.mark.parametrize("is_parked", [False, True])
def test_of_two_acts_at_once_one_has_moved_it_and_the_other_is_told_so(engine: hydra.Engine, is_parked: bool) -> None:
    bounds = [chosen_collect.bind(f"visa-{n}") for n in range(3)]
    ids = park(engine, *bounds) if is_parked else run(engine, *bounds)
    act: bulk.Act = bulk.Resume("") if is_parked else bulk.Retry("")
    judged = [bulk.judge(engine, act, ids, None)[0] for _ in range(2)]  # both before either is done
    (done, refused), (again, late) = (act.do(engine, batch) for batch in judged)
    assert done == dict.fromkeys(ids, "pending") and not refused and not again
    only = "only a parked one can be resumed" if is_parked else "only a failed one can be retried"
    assert late == {id: f"execution `{id}` is pending; {only}" for id in ids}
    assert [len(engine.get(id).acts()) for id in ids] == [1, 1, 1]


def test_what_has_ended_is_deleted_by_what_it_has_in_common(engine: hydra.Engine) -> None:
    ids = run(engine, *(chosen_collect.bind(f"visa-{n}") for n in range(3)), chosen_collect.bind(GOOD_CARD))
    kept = engine.select(error="CardError").delete(older_than=LONG_AGO)
    assert not kept.done and len(kept.refused) == 3
    acted = engine.select(error="CardError").delete(reason="request 81", at_most=3)
    assert set(acted.done) == set(ids[:3])
    assert [one.id for one in engine.executions()] == [ids[3]]


@hydra.workflow
def chosen_child(card: str) -> str:
    return hydra.wait_event("answer", type=str)


@hydra.workflow
def chosen_parent(card: str) -> str:
    hydra.spawn(chosen_child.bind(card))
    return chosen_debit(card)


def test_a_dry_run_says_which_trees_cannot_be_deleted(engine: hydra.Engine) -> None:
    (parent,) = run(engine, chosen_parent.bind("visa-1"))
    (child,) = [one.id for one in engine.executions(workflow=chosen_child)]
    dry = engine.select("failed").delete(dry_run=True)
    assert not dry.done and f"`{child}`, which it has spawned, has not ended" in dry.refused[parent]
    assert engine.select("failed").delete().refused == dry.refused
    engine.get(child).cancel()
    ended = engine.select()
    dry = ended.delete(dry_run=True)
    assert set(dry.done) == {parent} and f"is of the tree of `{parent}`" in dry.refused[child]
    acted = ended.delete()
    assert (set(acted.done), acted.refused) == ({parent}, dry.refused)
    assert engine.executions() == []


def test_async_programs_do_the_same(url: str) -> None:
    async def go() -> tuple[int, dict[str, str]]:
        async with hydra.AsyncEngine(url) as engine:
            handle = await engine.submit(chosen_ask.bind("visa-1"), key="inv-1")
            chosen = await engine.select("pending", chosen_ask)
            assert (await chosen.signal("answer", 1, dry_run=True)).matched_count == 1
            assert len((await chosen.retry()).refused) == len((await chosen.resume()).refused) == 1
            done = (await chosen.cancel()).done
            assert await chosen.count_by("status") == {} and await chosen.errors() == []
            again = await engine.rerun(handle.id, reason="a mistake")
            cancelled = await engine.select("cancelled")
            assert (await cancelled.rerun()).refused and (await cancelled.delete(dry_run=True)).done
            listed = await engine.executions(oldest_first=True, since=LONG_AGO)
            assert [one.id for one in listed] == [handle.id, again.id]
            return await cancelled.count(), done

    count, done = asyncio.run(go())
    assert count == 1 and set(done.values()) == {"cancelled"}
