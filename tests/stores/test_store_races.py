"""Races between two connections: whichever commits first stands, and the other one is told."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from hydra.errors import LeaseLost
from hydra.execution import CommitAnswer, NodeRef
from hydra.stores.store import Store

from tests.stores.store_values import (
    NOW,
    SECOND,
    WORKFLOW,
    claim,
    end,
    record,
    register,
    running,
    status,
    submission,
    submit,
    write,
)

ROUNDS = 30

Another = Callable[..., Store]


def race(*contestants: Callable[[], object]) -> list[object]:
    """Run all at once on threads of their own; results or errors, in order."""
    results: list[object] = [None] * len(contestants)
    start = threading.Barrier(len(contestants))

    def run(place: int, contestant: Callable[[], object]) -> None:
        start.wait()
        try:
            results[place] = contestant()
        except LeaseLost as error:
            results[place] = error

    threads = [threading.Thread(target=run, args=each) for each in enumerate(contestants)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def declare_dead(reaper: Store, node: NodeRef) -> None:
    """A node whose row is held by its own transaction is passed over, not waited for (R7)."""
    while not reaper.mark_dead(node.id, None, NOW):
        pass


def test_g2_two_claimers_never_share_an_execution(store: Store, open_another: Another) -> None:
    stores = [open_another() for _ in range(3)]
    nodes = [register(each) for each in stores]
    ids = submit(store, 300)
    taken: list[str] = []

    def drain(each: Store, node: NodeRef) -> None:
        while batch := claim(each, node, 7):
            taken.extend(one.id for one in batch)

    race(*[lambda pair=pair: drain(*pair) for pair in zip(stores, nodes, strict=True)])
    assert sorted(taken) == sorted(ids)


def test_r7_a_reaper_and_a_commit_have_one_order(store: Store, open_another: Another) -> None:
    reaper = open_another()
    for _ in range(ROUNDS):
        node = register(store)
        claimed = running(store, node)
        written, _ = race(
            lambda node=node, claimed=claimed: end(store, node, claimed, "completed", record(1), payload=b"r"),
            lambda node=node: declare_dead(reaper, node),
        )
        reaper.return_executions(NOW, 10)
        if written == CommitAnswer.WRITTEN:
            assert status(store, claimed.id) == "completed"
        else:
            assert isinstance(written, LeaseLost)
            assert store.records(claimed.id) == []
            assert claim(store, register(store))[0].records == []


def test_r3_a_beat_and_a_reaper_that_saw_the_counter_still_have_one_order(store: Store, open_another: Another) -> None:
    reaper = open_another()
    for _ in range(ROUNDS):
        node = register(store)
        beat, marked = race(
            lambda node=node: store.heartbeat_node(node, NOW),
            lambda node=node: reaper.mark_dead(node.id, 0, NOW),
        )
        assert isinstance(beat, LeaseLost) == (marked is True)


def test_r2_a_beat_and_a_commit_of_one_node_do_not_refuse_each_other(store: Store, open_another: Another) -> None:
    beating = open_another()
    node = register(store)
    claimed = running(store, node)
    for seq in range(1, ROUNDS + 1):
        written, beat = race(
            lambda seq=seq: write(store, node, claimed, record(seq)),
            lambda: beating.heartbeat_node(node, NOW).running_count,
        )
        assert (written, beat) == (True, 1)


def test_r8_a_claim_and_a_death_leave_nothing_behind(store: Store, open_another: Another) -> None:
    reaper = open_another()
    for _ in range(ROUNDS):
        node = register(store)
        (id,) = submit(store)
        race(lambda node=node: claim(store, node), lambda node=node: declare_dead(reaper, node))
        while reaper.return_executions(NOW, 10):
            pass
        assert {one.info.id: one.state for one in store.nodes()}[node.id] == "empty"
        assert status(store, id) == "pending"
        store.request_cancel([id], NOW)


def test_r15_a_cancel_and_a_finish_have_one_winner(store: Store, open_another: Another) -> None:
    person = open_another()
    node = register(store)
    for _ in range(ROUNDS):
        claimed = running(store, node)
        written, answer = race(
            lambda claimed=claimed: end(store, node, claimed, "completed", payload=b"r"),
            lambda claimed=claimed: person.request_cancel([claimed.id], NOW)[0],
        )
        if answer == "completed":
            assert written == CommitAnswer.WRITTEN
            assert status(store, claimed.id) == "completed"
        else:
            assert (written, answer) == (CommitAnswer.CANCELLING, "running")
            assert status(store, claimed.id) == "pending", "whoever claims it ends it cancelled"
            assert person.request_cancel([claimed.id], NOW) == ["cancelled"]


def test_r14_a_cancel_and_a_suspension_never_leave_it_asleep(store: Store, open_another: Another) -> None:
    person = open_another()
    node = register(store)
    for _ in range(ROUNDS):
        claimed = running(store, node)
        race(
            lambda claimed=claimed: end(store, node, claimed, "sleeping", wake_at=NOW + SECOND),
            lambda claimed=claimed: person.request_cancel([claimed.id], NOW),
        )
        if status(store, claimed.id) == "pending":
            (again,) = claim(store, node)
            assert again.cancel_requested
            assert end(store, node, again, "cancelled")
        assert status(store, claimed.id) == "cancelled"


def test_g1_one_key_submitted_by_many_at_once_is_one_execution(store: Store, open_another: Another) -> None:
    stores = [open_another() for _ in range(4)]
    for number in range(ROUNDS):
        answers = race(
            *[lambda each=each, key=f"k{number}": each.submit([submission(key=key)], NOW)[0] for each in stores]
        )
        assert len({answer.id for answer in answers}) == 1  # type: ignore[attr-defined]
        assert sorted(answer.created for answer in answers) == [False, False, False, True]  # type: ignore[attr-defined]
    assert store.stats(NOW).counts == {WORKFLOW: {"pending": ROUNDS}}


def test_two_reapers_give_each_execution_back_once(store: Store, open_another: Another) -> None:
    reapers = [open_another() for _ in range(3)]
    node = register(store)
    submit(store, 100)
    claim(store, node)
    assert sum(answer is True for answer in race(*[lambda r=r: r.mark_dead(node.id, None, NOW) for r in reapers])) == 1

    def give_back(reaper: Store) -> int:
        total = 0
        while count := reaper.return_executions(NOW, 7):
            total += count
        return total

    assert sum(race(*[lambda r=r: give_back(r) for r in reapers])) == 100  # type: ignore[arg-type]
    assert len(claim(store, register(store))) == 100


def test_two_that_promote_wake_each_execution_once(store: Store, open_another: Another) -> None:
    stores = [open_another() for _ in range(3)]
    submit(store, 100, run_at=NOW + 1)

    def wake(each: Store) -> int:
        total = 0
        while count := each.promote(NOW + 1, 7):
            total += count
        return total

    assert sum(race(*[lambda each=each: wake(each) for each in stores])) == 100  # type: ignore[arg-type]


@pytest.mark.parametrize("answered", [True, False])
def test_r16_a_commit_of_the_session_before_never_lands_after_a_resync(
    store: Store, open_another: Another, answered: bool
) -> None:
    """`answered` false: the commit is still on its way when the node resyncs on a new connection."""
    node = register(store)
    claimed = running(store, node)
    again = open_another()
    if answered:
        assert write(store, node, claimed, record(1))
        _, owned = again.resync(node)
    else:
        _, owned = again.resync(node)
        with pytest.raises(LeaseLost):
            write(store, node, claimed, record(1))
    assert [one.record_count for one in owned] == [len(store.records(claimed.id))] == [int(answered)]
