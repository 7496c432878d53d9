"""Schedules in the store: who decided on the newest row writes it with all that follows, others nothing (R25)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hydra import schedules
from hydra.cron import Cron, tick_key
from hydra.errors import LeaseLost
from hydra.execution import NodeRef
from hydra.schedules import ScheduleChange, ScheduleEntry, ScheduleSpec, ScheduleState
from hydra.stores.store import Store
from hydra.tick_queue import add_ticks, count_ticks, to_datetime

from tests.stores.store_values import NOW, SECOND, WORKFLOW, claim, end, register, running, status, submit
from tests.stores.test_store_races import declare_dead, race

Another = Callable[..., Store]

MINUTE = 60 * SECOND
START = NOW // MINUTE * MINUTE  # a whole minute
EVERY_MINUTE = ScheduleSpec.of(Cron("* * * * *", catch_up="all"), None)
EVERY_HOUR = ScheduleSpec.of(Cron("0 * * * *"), 5 * SECOND)


def serve(store: Store, node: NodeRef, spec: ScheduleSpec = EVERY_MINUTE, now: int = START) -> ScheduleState:
    """Register one schedule, as a node does."""
    known = {state.name: state for state in store.schedules()}
    store.upsert_schedules(node, [schedules.register(WORKFLOW, spec, known.get(WORKFLOW), now)], now)
    return state_of(store)


def state_of(store: Store) -> ScheduleState:
    (state,) = store.schedules()
    return state


def decided(store: Store, now: int, unfinished: tuple[str, ...] = ()) -> ScheduleChange:
    change = schedules.fire(state_of(store), unfinished, now, store.namespace)
    assert change is not None
    return change


def test_a_schedule_begins_with_the_tick_after_its_registration(store: Store) -> None:
    node = register(store)
    state = serve(store, node)
    assert (state.name, state.spec, state.mark_at, state.next_at) == (WORKFLOW, EVERY_MINUTE, START, START + MINUTE)
    assert (state.paused_at, state.is_served) == (None, True)


def test_r25_a_tick_is_an_execution_under_its_own_key_and_the_mark_that_says_so(store: Store) -> None:
    node = register(store)
    serve(store, node, EVERY_HOUR)
    hour = (START // (60 * MINUTE) + 1) * 60 * MINUTE
    assert store.fire_schedules(node, [decided(store, hour)], hour) == [True]
    (claimed,) = claim(store, node, now=hour)
    assert claimed.key == tick_key(to_datetime(hour))
    assert claimed.tags == {"schedule": WORKFLOW, "tick": to_datetime(hour).isoformat()}
    assert claimed.timeout_at == hour + 5 * SECOND
    state = state_of(store)
    assert (state.mark_at, state.next_at) == (hour, hour + 60 * MINUTE)
    assert (state.progress.last_tick_at, state.progress.last_execution_id) == (hour, claimed.id)
    found = store.find(WORKFLOW, claimed.key)
    assert found is not None and found.id == claimed.id


def test_r25_a_decision_on_an_older_row_writes_nothing(store: Store) -> None:
    node = register(store)
    serve(store, node)
    one, other = (decided(store, START + MINUTE) for _ in range(2))
    assert store.fire_schedules(node, [one], START + MINUTE) == [True]
    assert store.fire_schedules(node, [other], START + MINUTE) == [False]
    assert store.change_schedules([other], START + MINUTE) == [False]
    assert store.stats(NOW).counts == {WORKFLOW: {"pending": 1}}
    assert state_of(store).revision == one.revision + 1


def test_r25_the_mark_never_goes_back(store: Store) -> None:
    node = register(store)
    serve(store, node)
    store.fire_schedules(node, [decided(store, START + 2 * MINUTE)], START + 2 * MINUTE)
    state = state_of(store)
    back = ScheduleChange(WORKFLOW, state.revision, START, START + MINUTE, None, state.progress)
    assert store.fire_schedules(node, [back], NOW) == [False]
    assert state_of(store) == state


def test_r6_a_node_that_was_declared_dead_fires_nothing_and_registers_nothing(store: Store) -> None:
    node = register(store)
    serve(store, node)
    change = decided(store, START + MINUTE)
    declare_dead(store, node)
    with pytest.raises(LeaseLost):
        store.fire_schedules(node, [change], START + MINUTE)
    with pytest.raises(LeaseLost):
        store.upsert_schedules(node, [], START + MINUTE)
    assert store.stats(NOW).counts == {}
    assert not state_of(store).is_served


def test_an_upsert_recomputes_the_next_tick_only_if_the_spec_changed(store: Store) -> None:
    node, other = register(store), register(store)
    state = serve(store, node)
    assert serve(store, other, now=START + 10 * MINUTE) == state
    same_ticks = ScheduleSpec.of(Cron("* * * * *", overlap="skip"), None)
    renewed = serve(store, other, same_ticks, now=START + 10 * MINUTE)
    assert (renewed.spec, renewed.mark_at, renewed.next_at) == (same_ticks, START, START + MINUTE)
    assert renewed.revision == state.revision + 1
    changed = serve(store, node, EVERY_HOUR, now=START + 10 * MINUTE)
    assert (changed.mark_at, changed.next_at is not None and changed.next_at % (60 * MINUTE)) == (
        START + 10 * MINUTE,
        0,
    )


def test_an_upsert_over_a_change_it_has_not_seen_leaves_it_alone(store: Store) -> None:
    node = register(store)
    serve(store, node)
    late = schedules.register(WORKFLOW, EVERY_HOUR, state_of(store), START)
    store.fire_schedules(node, [decided(store, START + MINUTE)], START + MINUTE)
    fired = state_of(store)
    store.upsert_schedules(node, [late], START + MINUTE)
    assert state_of(store) == fired
    new = schedules.register(WORKFLOW, EVERY_HOUR, None, START)
    store.upsert_schedules(node, [new], START + MINUTE)
    assert state_of(store) == fired


def test_r25_an_upsert_decided_before_a_person_changed_the_row_leaves_it_alone(store: Store) -> None:
    """The mark is where it was: only the revision tells."""
    node = register(store)
    state = serve(store, node)
    late = schedules.register(WORKFLOW, EVERY_HOUR, state, START)
    pause = ScheduleChange(WORKFLOW, state.revision, START, None, START, state.progress)
    assert store.change_schedules([pause], START) == [True]
    paused = state_of(store)
    store.upsert_schedules(node, [late], START)
    assert state_of(store) == paused


def test_r25_an_upsert_never_takes_the_mark_back(store: Store) -> None:
    """The revision is the row's: only the mark tells."""
    node = register(store)
    state = serve(store, node)
    store.upsert_schedules(node, [ScheduleEntry(WORKFLOW, EVERY_HOUR, state.revision, START - MINUTE, START)], START)
    assert state_of(store) == state


def test_a_schedule_is_served_while_a_living_node_has_it_in_its_code(store: Store) -> None:
    node, other = register(store), register(store)
    serve(store, node)
    serve(store, other)
    store.upsert_schedules(node, [], NOW)
    assert state_of(store).is_served
    store.unregister_node(other, NOW)
    assert not state_of(store).is_served
    serve(store, node)
    assert state_of(store).is_served


def test_schedules_of_another_namespace_are_not_seen(store: Store, open_another: Another) -> None:
    serve(store, register(store))
    other = open_another("other")
    assert other.schedules() == []
    change = decided(store, START + MINUTE)
    assert other.change_schedules([change], START + MINUTE) == [False]
    assert state_of(store).mark_at == START


def test_a_paused_schedule_refuses_what_was_decided_before(store: Store) -> None:
    node = register(store)
    serve(store, node)
    change = decided(store, START + MINUTE)
    order = schedules.pause(state_of(store), START)
    assert order is not None and store.change_schedules([order], START) == [True]
    assert store.fire_schedules(node, [change], START + MINUTE) == [False]
    assert state_of(store).paused_at == START
    assert schedules.fire(state_of(store), (), START + MINUTE, store.namespace) is None
    back = schedules.resume(state_of(store), START + 5 * MINUTE)
    assert back is not None and store.change_schedules([back], START + 5 * MINUTE) == [True]
    assert (state_of(store).paused_at, state_of(store).next_at) == (None, START + 6 * MINUTE)


def test_r24_a_purge_never_makes_a_tick_run_twice(store: Store) -> None:
    node = register(store)
    state = serve(store, node)
    store.fire_schedules(node, [decided(store, START + MINUTE)], START + MINUTE)
    (claimed,) = claim(store, node, now=START + MINUTE)
    end(store, node, claimed, "completed", now=START + MINUTE)
    assert store.purge(START + 9 * MINUTE, 10) == 1
    again = [schedules.tick_submission(state, START + MINUTE, store.namespace)]
    assert not store.submit(again, START + 9 * MINUTE)[0].created
    assert state_of(store).mark_at == START + MINUTE
    assert store.stats(NOW).counts.get(WORKFLOW, {}).get("pending", 0) == 0


def test_r25_a_tick_whose_key_a_backfill_used_names_the_execution_that_is_there(store: Store) -> None:
    node = register(store)
    state = serve(store, node)
    (filled,) = store.submit([schedules.tick_submission(state, START + MINUTE, store.namespace)], START)
    assert store.fire_schedules(node, [decided(store, START + MINUTE)], START + MINUTE) == [True]
    progress = state_of(store).progress
    assert (progress.last_execution_id, progress.running) == (filled.id, [filled.id])
    assert [one is not None for one in store.get(progress.running)] == [True]
    assert store.stats(NOW).counts == {WORKFLOW: {"pending": 1}}


def test_what_a_tick_cancels_is_cancelled_with_it(store: Store) -> None:
    node = register(store)
    serve(store, node, ScheduleSpec.of(Cron("* * * * *", overlap="cancel"), None))
    store.fire_schedules(node, [decided(store, START + MINUTE)], START + MINUTE)
    first = state_of(store).progress.last_execution_id
    assert first is not None
    assert store.fire_schedules(node, [decided(store, START + 2 * MINUTE, (first,))], START + 2 * MINUTE) == [True]
    assert status(store, first) == "cancelled"
    assert state_of(store).progress.queue == add_ticks([], [START + 2 * MINUTE], EVERY_MINUTE.cron())
    store.fire_schedules(node, [decided(store, START + 2 * MINUTE + 1)], START + 2 * MINUTE + 1)
    assert claim(store, node, now=START + 2 * MINUTE + 1)[0].key == "hydra.tick:2027-01-15T08:02Z"


def test_many_changes_go_in_one_transaction_and_each_is_answered(store: Store) -> None:
    node = register(store)
    names = [f"w{number}" for number in range(5)]
    entries = [schedules.register(name, EVERY_MINUTE, None, START) for name in names]
    store.upsert_schedules(node, entries, START)
    changes = [schedules.fire(state, (), START + 3 * MINUTE, store.namespace) for state in store.schedules()]
    stale = [change for change in changes if change is not None]
    store.fire_schedules(node, stale[1:2], START + 3 * MINUTE)
    assert store.fire_schedules(node, stale, START + 3 * MINUTE) == [True, False, True, True, True]
    assert store.stats(NOW).counts == {name: {"pending": 1} for name in names}
    assert [count_ticks(state.progress.queue) for state in store.schedules()] == [2] * 5


def test_r25_nodes_that_fire_a_tick_at_once_make_one_execution(store: Store, open_another: Another) -> None:
    stores = [store, *(open_another() for _ in range(3))]
    nodes = [register(each) for each in stores]
    serve(store, nodes[0], ScheduleSpec.of(Cron("* * * * *", overlap="allow"), None))
    for minute in range(1, 21):
        now = START + minute * MINUTE
        changes = [decided(each, now) for each in stores]
        answers = race(
            *[
                lambda each=each, node=node, change=change, now=now: each.fire_schedules(node, [change], now)[0]
                for each, node, change in zip(stores, nodes, changes, strict=True)
            ]
        )
        assert sorted(answers) == [False, False, False, True]  # type: ignore[type-var]
        assert store.stats(NOW).counts == {WORKFLOW: {"pending": minute}}


def test_r25_a_pause_and_a_tick_have_one_order(store: Store, open_another: Another) -> None:
    person = open_another()
    node = register(store)
    serve(store, node, ScheduleSpec.of(Cron("* * * * *", overlap="allow"), None))
    fired = 0
    for minute in range(1, 21):
        now = START + minute * MINUTE
        change, order = decided(store, now), schedules.pause(state_of(store), now)
        assert order is not None
        is_fired, is_paused = race(
            lambda change=change, now=now: store.fire_schedules(node, [change], now)[0],
            lambda order=order, now=now: person.change_schedules([order], now)[0],
        )
        assert (is_fired, is_paused) in [(True, False), (False, True)]
        fired += is_fired is True
        if is_paused:
            back = schedules.resume(state_of(store), now)
            assert back is not None and store.change_schedules([back], now) == [True]
    assert store.stats(NOW).counts.get(WORKFLOW, {}).get("pending", 0) == fired


def test_r7_a_reaper_and_a_tick_have_one_order(store: Store, open_another: Another) -> None:
    reaper = open_another()
    survivor = register(store)
    serve(store, survivor, ScheduleSpec.of(Cron("* * * * *", overlap="allow"), None))
    for minute in range(1, 21):
        node = register(store)
        now = START + minute * MINUTE
        change = decided(store, now)
        answer, _ = race(
            lambda node=node, change=change, now=now: store.fire_schedules(node, [change], now)[0],
            lambda node=node: declare_dead(reaper, node),
        )
        if isinstance(answer, LeaseLost):
            assert store.fire_schedules(survivor, [decided(store, now)], now) == [True]
        assert store.stats(NOW).counts == {WORKFLOW: {"pending": minute}}


def test_two_nodes_that_register_at_once_leave_one_row(store: Store, open_another: Another) -> None:
    stores = [store, open_another()]
    nodes = [register(each) for each in stores]
    entry = schedules.register(WORKFLOW, EVERY_MINUTE, None, START)
    race(
        *[
            lambda each=each, node=node: each.upsert_schedules(node, [entry], START)
            for each, node in zip(stores, nodes, strict=True)
        ]
    )
    assert (state_of(store).revision, state_of(store).next_at) == (1, START + MINUTE)


def test_a_tick_runs_beside_other_executions_of_its_workflow(store: Store) -> None:
    node = register(store)
    serve(store, node)
    other = running(store, node)
    submit(store, key="inv-1")
    store.fire_schedules(node, [decided(store, START + MINUTE)], START + MINUTE)
    assert other.id not in state_of(store).progress.running
    assert len(claim(store, node, now=START + MINUTE)) == 2
