"""A key of a limit that lets nobody go on for a while: a step was told to come back later, or a person stopped it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hydra.errors import LeaseLost
from hydra.execution import Claimed, CoolDown, End, Ending, ExecutionCommit, NodeRef, Record, RecordKind
from hydra.stores.key_pauses import KeyPause
from hydra.stores.store import Store

from tests.stores.store_values import NOW, SECOND, claim
from tests.stores.test_store_limits import ONE, PROVIDER, TWO, end, let_go, serving, submit

OTHER = "concurrency:two:b"
LATER = NOW + 30 * SECOND


@pytest.fixture
def node(store: Store) -> NodeRef:
    return serving(store)


def ordered(key: str, until: int | None = None, now: int = NOW) -> KeyPause:
    return KeyPause(key, until, now, "ana@host", "the card is stolen")


def pauses(store: Store) -> list[tuple[str, int | None]]:
    return [(pause.key, pause.until) for pause in store.key_pauses("a", "z", 100)]


def told_to_wait(claimed: Claimed, *cool_downs: CoolDown, now: int = NOW) -> ExecutionCommit:
    """A step of it raised RetryAfter, and it sleeps until then."""
    due_at = max(each.until for each in cool_downs)
    record = Record(1, str(RecordKind.TRY), "", "charge", 0, 1, b"", b"429", now, now, -due_at)
    outcome = End(Ending.SLEEPING, wake_at=due_at, wake_seq=claimed.wake_seq)
    return ExecutionCommit(claimed.id, claimed.epoch, [record], outcome, cool_downs=tuple(cool_downs))


def test_r29_a_paused_key_lets_nobody_go_on_and_others_do(store: Store, node: NodeRef) -> None:
    store.pause_key(ordered(TWO))
    held = submit(store, TWO, count=2)
    free = submit(store, OTHER, count=2)
    let_go(store)
    assert sorted(each.id for each in claim(store, node)) == sorted(free)
    assert store.audit() == []
    (pause,) = store.key_pauses(TWO, TWO + "\x01", 10)
    assert pause == ordered(TWO)
    assert store.resume_key(TWO)
    assert not store.resume_key(TWO)
    let_go(store)
    assert sorted(each.id for each in claim(store, node)) == sorted(held)
    assert pauses(store) == []


def test_r29_a_pause_with_an_end_is_over_by_itself_and_leaves_nothing(store: Store, node: NodeRef) -> None:
    for key in (TWO, PROVIDER):
        store.pause_key(ordered(key, LATER))
    ids = [*submit(store, TWO), *submit(store, PROVIDER)]
    let_go(store)
    let_go(store, LATER - 1)
    assert claim(store, node, now=LATER - 1) == []
    assert store.next_due_at() == LATER
    let_go(store, LATER)
    assert sorted(each.id for each in claim(store, node, now=LATER)) == sorted(ids)
    assert pauses(store) == []


def test_what_holds_a_place_of_a_paused_key_goes_on_and_gives_it_back(store: Store, node: NodeRef) -> None:
    submit(store, ONE, count=2)
    let_go(store)
    (running,) = claim(store, node)
    store.pause_key(ordered(ONE))
    end(store, node, running)
    let_go(store)
    assert claim(store, node) == []
    store.resume_key(ONE)
    let_go(store)
    assert len(claim(store, node)) == 1


def test_r29_a_later_rate_that_is_paused_holds_up_who_comes_to_it(store: Store, node: NodeRef) -> None:
    store.pause_key(ordered(PROVIDER, LATER))
    submit(store, TWO, PROVIDER)
    let_go(store)
    assert claim(store, node) == []
    assert store.audit() == []
    let_go(store, LATER)
    assert len(claim(store, node, now=LATER)) == 1


def test_r29_a_step_that_was_told_to_come_back_pauses_its_executions_key_with_its_record(
    store: Store, node: NodeRef
) -> None:
    submit(store, TWO, PROVIDER)
    let_go(store)
    (told,) = claim(store, node)
    behind = submit(store, TWO, PROVIDER, now=NOW + 1)
    beside = submit(store, OTHER, now=NOW + 1)
    commit = told_to_wait(told, CoolDown("rate:provider", LATER, "step `charge`: 429"))
    assert store.commit(node, [commit], NOW + 1)[0]
    (pause,) = store.key_pauses("a", "z", 10)
    assert pause == KeyPause(PROVIDER, LATER, NOW + 1, f"execution `{told.id}`", "step `charge`: 429")
    let_go(store, NOW + 2)
    assert [each.id for each in claim(store, node, now=NOW + 2)] == beside
    assert store.audit() == []
    store.promote(LATER, 100)
    let_go(store, LATER)
    assert sorted(each.id for each in claim(store, node, now=LATER)) == sorted([told.id, *behind])


def test_a_cool_down_makes_no_pause_shorter_and_a_persons_word_replaces_any(store: Store, node: NodeRef) -> None:
    submit(store, TWO, count=2)
    let_go(store)
    first, second = claim(store, node)
    names = CoolDown("concurrency:two", LATER, "long"), CoolDown("concurrency:two", NOW + SECOND, "short")
    assert store.commit(node, [told_to_wait(first, *names)], NOW)[0]
    assert pauses(store) == [(TWO, LATER)]
    assert store.commit(node, [told_to_wait(second, names[1])], NOW)[0]
    assert pauses(store) == [(TWO, LATER)]
    store.pause_key(ordered(TWO))
    assert pauses(store) == [(TWO, None)]
    store.pause_key(ordered(TWO, NOW + SECOND))
    assert pauses(store) == [(TWO, NOW + SECOND)]


def test_a_cool_down_that_is_over_or_names_none_of_its_limits_pauses_nothing(store: Store, node: NodeRef) -> None:
    submit(store, TWO)
    let_go(store)
    (claimed,) = claim(store, node)
    over, unknown = CoolDown("concurrency:two", NOW, "over"), CoolDown("concurrency:tw", LATER, "unknown")
    assert store.commit(node, [told_to_wait(claimed, over, unknown)], NOW)[0]
    assert pauses(store) == []


def test_g2_what_is_refused_pauses_nothing(store: Store, node: NodeRef) -> None:
    submit(store, TWO)
    let_go(store)
    (claimed,) = claim(store, node)
    commit = told_to_wait(claimed, CoolDown("concurrency:two", LATER, "429"))
    stale = ExecutionCommit(claimed.id, claimed.epoch - 1, commit.records, commit.end, cool_downs=commit.cool_downs)
    assert not store.commit(node, [stale], NOW)[0]
    assert pauses(store) == []
    assert store.mark_dead(node.id, None, NOW)
    with pytest.raises(LeaseLost):
        store.commit(node, [commit], NOW)
    assert pauses(store) == []


def test_a_pause_of_a_key_is_its_namespaces_own(
    store: Store, node: NodeRef, open_another: Callable[..., Store]
) -> None:
    other = open_another("other")
    other.pause_key(ordered(TWO))
    submit(store, TWO)
    let_go(store)
    assert len(claim(store, node)) == 1
    assert pauses(store) == []
