"""Limits on every database: who waits, who goes on, and that no life of an execution loses or doubles a place (R29)."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from hydra import _core
from hydra.execution import Claimed, End, Ending, ExecutionCommit, Message, NodeRef, Status, Submission
from hydra.limits import LimitSpec
from hydra.stores import admitting
from hydra.stores.limit_states import KeyUse
from hydra.stores.store import Store
from hydra.stores.workflow_info import WorkflowInfo

from tests.stores.limit_worlds import World
from tests.stores.store_values import NOW, SECOND, WORKFLOW, claim, register, status

ONE, TWO, PROVIDER = "concurrency:one:a", "concurrency:two:a", "rate:provider:a"
LIMITS = [
    LimitSpec("concurrency", "one", 1),
    LimitSpec("concurrency", "two", 2),
    LimitSpec("rate", "provider", 10, SECOND, 2),
]


@pytest.fixture
def node(store: Store) -> NodeRef:
    return serving(store)


def serving(store: Store, limits: list[LimitSpec] = LIMITS) -> NodeRef:
    node = register(store)
    store.register_workflows(node, [WorkflowInfo(WORKFLOW, b"{}", None, "code", limits=limits)], NOW)
    return node


def submit(store: Store, *keys: str, count: int = 1, now: int = NOW, **fields: int) -> list[str]:
    submissions = [
        Submission(_core.uuid7(), WORKFLOW, b"input", b"d" * 16, limit_keys=tuple(sorted(keys)) or None, **fields)  # type: ignore[arg-type]
        for _ in range(count)
    ]
    assert all(answer.created for answer in store.submit(submissions, now))
    return [each.id for each in submissions]


def let_go(store: Store, now: int = NOW) -> None:
    """Until nobody is called any more."""
    for _ in range(20):
        due_at = store.next_due_at()
        if due_at is None or due_at > now:
            return
        store.promote(now, 100)
    raise AssertionError("somebody is called again and again")


def end(
    store: Store, node: NodeRef, claimed: Claimed, kind: str = Ending.COMPLETED, now: int = NOW, **fields: int
) -> None:
    payload = b"next" if kind == Ending.CONTINUED else None
    outcome = End(kind, payload, wake_seq=claimed.wake_seq, **fields)  # type: ignore[arg-type]
    assert store.commit(node, [ExecutionCommit(claimed.id, claimed.epoch, [], outcome)], now)[0]


@pytest.mark.parametrize("seed", range(2))
def test_r29_in_random_lives_no_more_than_a_limit_allows_hold_a_place_and_nobody_waits_for_ever(
    store: Store, seed: int
) -> None:
    World(store, seed, audit_each=10).run(100)


def test_what_a_limit_holds_back_lies_on_no_claims_path_and_says_where_it_waits(store: Store, node: NodeRef) -> None:
    (id,) = submit(store, ONE)
    assert claim(store, node) == []
    (snapshot,) = store.get([id])
    assert snapshot is not None
    assert (snapshot.status, snapshot.wake_at, snapshot.gate) == (Status.PENDING, None, ONE)
    assert snapshot.limit_keys == (ONE,)
    assert store.next_due_at() is not None  # somebody is called
    let_go(store)
    assert [each.id for each in claim(store, node)] == [id]
    assert store.next_due_at() is None


def test_r29_a_limit_of_1_lets_them_go_one_by_one_in_the_order_of_submission(store: Store, node: NodeRef) -> None:
    ids = [*submit(store, ONE, count=3), *submit(store, ONE, count=3, now=NOW + 1)]
    seen = []
    for _ in ids:
        let_go(store, NOW + 2)
        (claimed,) = claim(store, node)
        seen.append(claimed.id)
        end(store, node, claimed)
    assert seen == ids


def test_r29_what_has_priority_goes_first(store: Store, node: NodeRef) -> None:
    submit(store, ONE)
    let_go(store)
    (claimed,) = claim(store, node)
    submit(store, ONE)
    (urgent,) = submit(store, ONE, priority=5, now=NOW + 1)
    end(store, node, claimed)
    let_go(store, NOW + 1)
    assert [each.id for each in claim(store, node)] == [urgent]


GIVES_BACK = {
    Ending.COMPLETED: True,
    Ending.FAILED: True,
    Ending.CANCELLED: True,
    Ending.PARKED: True,
    Ending.SLEEPING: True,
    Ending.WAITING: True,
    Ending.CONTINUED: True,
    Ending.RELEASED: False,
    Ending.CRASHED: False,
    Ending.RETRY: False,
}


@pytest.mark.parametrize("kind", GIVES_BACK)
def test_r29_a_place_is_given_back_by_what_ends_or_suspends_it_and_kept_by_what_goes_on(
    store: Store, node: NodeRef, kind: str
) -> None:
    first, second = submit(store, ONE, count=2)
    let_go(store)
    (claimed,) = claim(store, node)
    assert claimed.id == first
    end(store, node, claimed, kind, now=NOW + 1, wake_at=NOW + 9 * SECOND if kind == Ending.SLEEPING else 0)
    let_go(store, NOW + 1)
    assert [each.id for each in claim(store, node)] == ([second] if GIVES_BACK[kind] else [first])[
        : kind != Ending.CRASHED
    ]


def test_r29_a_dead_nodes_execution_keeps_its_place_until_it_has_run(
    store: Store, node: NodeRef, open_another: Callable[..., Store]
) -> None:
    first, second = submit(store, ONE, count=2)
    let_go(store)
    claim(store, node)
    (state,) = [each for each in store.nodes() if each.info.id == node.id]
    assert store.mark_dead(node.id, state.counter, NOW)
    store.return_executions(NOW, 10)
    let_go(store)
    other = serving(store)
    (claimed,) = claim(store, other)
    assert claimed.id == first
    end(store, other, claimed)
    let_go(store)
    assert [each.id for each in claim(store, other)] == [second]


def test_r29_what_wakes_waits_for_its_place_again_behind_those_who_came_before(store: Store, node: NodeRef) -> None:
    (first,) = submit(store, ONE)
    let_go(store)
    (claimed,) = claim(store, node)
    end(store, node, claimed, Ending.WAITING)
    (second,) = submit(store, ONE, now=NOW + 1)
    store.signal([Message(_core.uuid7(), first, "go", b"", NOW + 2)], NOW + 2)
    let_go(store, NOW + 2)
    (claimed,) = claim(store, node)
    assert claimed.id == second
    end(store, node, claimed, now=NOW + 3)
    let_go(store, NOW + 3)
    (claimed,) = claim(store, node)
    assert claimed.id == first
    end(store, node, claimed)


@pytest.mark.parametrize("order", ["retry", "resume", "undo"])
def test_r29_what_a_person_orders_waits_for_its_place_like_anything(store: Store, node: NodeRef, order: str) -> None:
    (first,) = submit(store, ONE)
    let_go(store)
    (claimed,) = claim(store, node)
    end(
        store,
        node,
        claimed,
        {"retry": Ending.FAILED, "resume": Ending.PARKED, "undo": Ending.SLEEPING}[order],
        wake_at=NOW + SECOND if order == "undo" else 0,
    )
    (second,) = submit(store, ONE)
    let_go(store)
    (running,) = claim(store, node)
    assert running.id == second
    match order:
        case "retry":
            store.retry([first], NOW)
        case "resume":
            store.resume([first], NOW)
        case _:
            store.promote(NOW + SECOND, 10)
    let_go(store, NOW + SECOND)
    assert claim(store, node) == []
    assert status(store, first) == Status.PENDING
    end(store, node, running)
    let_go(store, NOW + SECOND)
    (claimed,) = claim(store, node)
    assert claimed.id == first
    end(store, node, claimed)


def test_r29_several_limits_hold_together(store: Store, node: NodeRef) -> None:
    both = submit(store, ONE, TWO, count=2)
    others = submit(store, TWO, count=3, now=NOW + 1)
    let_go(store, NOW + 1)
    assert {each.id for each in claim(store, node)} == {others[0], others[1]} or {
        each.id for each in claim(store, node)
    } <= {both[0], *others}
    uses = {use.key: use.held_count for kind in ("one", "two") for use in store.limit_use("concurrency", kind, 9, 9)}
    assert uses[ONE] == 1
    assert uses[TWO] == 2


def test_a_key_that_nobody_has_looked_at_yet_is_shown_with_who_waits_there(store: Store, node: NodeRef) -> None:
    """As long as no node is there, or looks at others first."""
    kind, name, _ = ONE.split(":")
    others = [f"{kind}:{name}:{value}" for value in ("x", "y", "z")]
    submit(store, ONE, count=2)
    let_go(store)
    submit(store, others[0], count=3)
    submit(store, others[1])
    submit(store, others[2], TWO)

    def shown(keys: int = 9) -> list[tuple[str, int, int]]:
        return [(each.key, each.held_count, each.waiting_count) for each in store.limit_use(kind, name, keys, 9)]

    assert shown() == [(ONE, 1, 1), (others[0], 0, 3), (others[1], 0, 1), (others[2], 0, 1)]
    assert shown(2) == [(ONE, 1, 1), (others[0], 0, 3)]
    assert store.limit_use("concurrency", "two", 9, 9) == []
    let_go(store)
    assert shown() == [(ONE, 1, 1), (others[0], 1, 2), (others[1], 1, 0), (others[2], 1, 0)]


def test_r29_a_rate_lets_its_burst_go_and_then_one_at_a_time(store: Store, node: NodeRef) -> None:
    submit(store, PROVIDER, count=5)
    let_go(store)
    assert len(claim(store, node)) == 2
    let_go(store, NOW + 1)
    assert store.next_due_at() == NOW + SECOND // 10
    assert claim(store, node, now=NOW + 1) == []
    let_go(store, NOW + SECOND // 10)
    assert len(claim(store, node, now=NOW + SECOND // 10)) == 1


def test_r29_two_looks_at_one_key_give_no_place_twice(store: Store, open_another: Callable[..., Store]) -> None:
    """The second waits for the first to commit: it would see none of the places that are just being taken."""
    node = serving(store)
    other = open_another()
    submit(store, TWO)
    let_go(store)  # the key has its row
    end(store, node, *claim(store, node))
    let_go(store)
    submit(store, TWO, count=2)
    with ThreadPoolExecutor(1) as thread:
        with store.transaction():
            store.promote(NOW, 10)
            if not store.path:  # on a file nobody else can write now
                submit(other, TWO, now=NOW + 1)
            look = thread.submit(other.promote, NOW + 1, 10)
            with pytest.raises(TimeoutError):
                look.result(timeout=0.3)
        look.result(timeout=20)
    assert len(claim(store, node)) == 2
    assert store.audit() == []


def test_r29_a_callers_open_transaction_keeps_no_key_waiting(store: Store, open_another: Callable[..., Store]) -> None:
    """Somebody signals one that waits, and thinks: others of the same key go on."""
    if store.path:
        pytest.skip("a file has one writer at a time")
    node = serving(store)
    other = open_another()
    ids = submit(store, TWO, count=3)
    with other.transaction():
        other.signal([Message(_core.uuid7(), ids[0], "news", b"", NOW)], NOW)
        other.recover(register(other), [])  # what it wrote has reached the server
        store.promote(NOW, 10)
        assert {each.id for each in claim(store, node)} == set(ids[1:])
    assert store.next_due_at() is not None


def test_a_limit_that_no_node_has_registered_holds_until_one_has(store: Store) -> None:
    node = register(store)
    submit(store, ONE)
    let_go(store)
    assert claim(store, node) == []
    store.register_workflows(node, [WorkflowInfo(WORKFLOW, b"{}", None, "code", limits=LIMITS)], NOW)
    let_go(store)
    assert len(claim(store, node)) == 1


def test_an_operators_number_wins_over_the_codes_until_it_is_reset(store: Store, node: NodeRef) -> None:
    submit(store, ONE, count=5)
    let_go(store)
    assert len(claim(store, node)) == 1
    assert store.set_limit("concurrency", "one", (3, None, None), NOW)
    let_go(store)
    assert len(claim(store, node)) == 2
    serving(store)  # the code says 1 again, and does not win
    (state,) = [each for each in store.limits() if each.name == "one"]
    assert (state.count, state.set_count) == (1, 3)
    assert store.set_limit("concurrency", "one", (None, None, None), NOW)
    let_go(store)
    assert claim(store, node) == []
    assert store.audit() == []  # three run, as was allowed when they began
    assert not store.set_limit("concurrency", "nobodys", (1, None, None), NOW)


def test_code_with_another_number_lets_those_go_who_waited_for_it(store: Store, node: NodeRef) -> None:
    submit(store, ONE, count=3)
    let_go(store)
    assert len(claim(store, node)) == 1
    serving(store, [LimitSpec("concurrency", "one", 2)])
    let_go(store)
    assert len(claim(store, node)) == 1


def test_a_namespace_has_its_own_limits(store: Store, node: NodeRef, open_another: Callable[..., Store]) -> None:
    other = open_another("other")
    theirs = serving(other)
    submit(store, ONE)
    submit(other, ONE)
    let_go(store)
    let_go(other)
    assert len(claim(store, node)) == len(claim(other, theirs)) == 1


def test_a_purge_takes_what_ended_executions_held(store: Store, node: NodeRef) -> None:
    submit(store, ONE)
    let_go(store)
    (claimed,) = claim(store, node)
    end(store, node, claimed)
    assert store.purge(NOW + SECOND, 10) == 1
    let_go(store)
    assert [use.held_count for use in store.limit_use("concurrency", "one", 9, 9)] == [0]


def test_delayed_executions_wait_for_their_place_when_they_are_due(store: Store, node: NodeRef) -> None:
    (late,) = submit(store, ONE, run_at=NOW + SECOND)
    let_go(store)
    assert claim(store, node) == []
    let_go(store, NOW + SECOND)
    assert [each.id for each in claim(store, node, now=NOW + SECOND)] == [late]


def test_a_key_says_who_holds_it_first_those_that_do_not_run_and_when_its_next_token_is_due(
    store: Store, node: NodeRef
) -> None:
    assert store.key_use(TWO, 9) == KeyUse([])
    submit(store, TWO)
    let_go(store)
    (running,) = claim(store, node)
    waiting = submit(store, TWO, count=2, now=NOW + 1)
    let_go(store, NOW + 1)
    assert store.key_use(TWO, 9).holders == [waiting[0], running.id]
    end(store, node, running)
    assert store.key_use(TWO, 9).holders == [waiting[0]]
    submit(store, ONE, TWO, now=NOW + 2)  # it holds ONE while it waits for TWO
    submit(store, TWO, count=2, now=NOW + 2)
    let_go(store, NOW + 2)
    assert len(store.key_use(ONE, 9).holders) == 1
    assert len(store.key_use(TWO, 9).holders) == 2
    assert len(store.key_use(TWO, 1).holders) == 1
    submit(store, PROVIDER, count=5)
    let_go(store, NOW + 2)
    claim(store, node, now=NOW + 2)
    let_go(store, NOW + 3)
    due_at = store.key_use(PROVIDER, 9).look_at
    assert due_at is not None
    assert due_at > NOW + 3


@pytest.mark.parametrize("place", ["in the middle", "last"])
def test_r29_who_is_called_after_many_others_goes_on_at_the_first_look(
    store: Store, node: NodeRef, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others were called a hundred times, and a look answers ten."""
    monkeypatch.setattr(admitting, "MAX_CALLS", 10)
    monkeypatch.setattr(admitting, "MAX_NEWEST_CALLS", 3)
    call_often(store, "concurrency:two:many", 100)
    few = submit(store, TWO, count=2)
    if place == "in the middle":
        call_often(store, "concurrency:two:many", 100)
    store.promote(NOW, 100)
    snapshots = store.get(few)
    assert [each is not None and each.gate for each in snapshots] == [None, None]


def test_r29_of_many_called_keys_each_has_its_turn(
    store: Store, node: NodeRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is called meanwhile: two keys are always the oldest, and one is always the newest."""
    for name, count in {"MAX_CALLS": 10, "MAX_KEYS": 2, "MAX_TURN_KEYS": 3, "MAX_NEWEST_CALLS": 1}.items():
        monkeypatch.setattr(admitting, name, count)
    call_often(store, "concurrency:one:x", 100)
    waiting = {key: submit(store, f"concurrency:one:{key}")[0] for key in "abcdefghij"}
    for _ in range(5):
        call_often(store, "concurrency:one:z", 2)
        store.promote(NOW, 100)
    snapshots = store.get(list(waiting.values()))
    assert [key for key, each in zip(waiting, snapshots, strict=True) if each is None or each.gate is not None] == []


def call_often(store: Store, key: str, count: int) -> None:
    for _ in range(count):
        submit(store, key)
