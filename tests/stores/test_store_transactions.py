"""The connection of a `@hydra.transaction` step: the writes and the record commit together or not at all (G6, R21)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hydra.errors import LeaseLost
from hydra.execution import Claimed, ExecutionCommit
from hydra.stores.postgres import committing
from hydra.stores.step_connection import StepConnection
from hydra.stores.store import Store

from tests.stores.racing import NOW, ServerStage, Stage
from tests.stores.store_values import record, register, running

on_servers = pytest.mark.parametrize("url", ["postgres", "mysql"], indirect=True)


@pytest.fixture
def step(store: Store) -> Iterator[StepConnection]:
    """With a table of the user's."""
    step = store.step_connection()
    run(step, "create table ledger (amount integer)")
    yield step
    step.close()


def run(step: StepConnection, statement: str) -> list[Any]:
    cursor = step.connection.cursor()
    cursor.execute(statement)
    return list(cursor.fetchall()) if cursor.description else []


def booked(step: StepConnection) -> int:
    """How many lines were committed."""
    ((count,),) = run(step, "select count(*) from ledger")
    return int(count)


def book(step: StepConnection) -> None:
    """The function, up to its last line."""
    step.begin()
    run(step, "insert into ledger values (1)")


def item(claimed: Claimed, seq: int = 1) -> ExecutionCommit:
    return ExecutionCommit(claimed.id, claimed.epoch, [record(seq)])


def test_g6_the_functions_writes_and_its_record_commit_together(store: Store, step: StepConnection) -> None:
    node = register(store)
    claimed = running(store, node)
    book(step)
    assert store.records(claimed.id) == []
    assert step.commit(node, item(claimed), NOW)
    assert (booked(step), [line.seq for line in store.records(claimed.id)]) == (1, [1])


def test_g6_what_a_refused_transaction_wrote_is_gone(store: Store, step: StepConnection) -> None:
    node = register(store)
    claimed = running(store, node)
    assert store.mark_dead(node.id, None, NOW)
    book(step)
    with pytest.raises(LeaseLost):
        step.commit(node, item(claimed), NOW)
    step.roll_back()
    assert (booked(step), store.records(claimed.id)) == (0, [])


def test_g6_what_a_transaction_of_an_epoch_past_wrote_is_gone(store: Store, step: StepConnection) -> None:
    node = register(store)
    claimed = running(store, node)
    past = ExecutionCommit(claimed.id, claimed.epoch - 1, [record(1)])
    book(step)
    assert not step.commit(node, past, NOW)
    assert (booked(step), store.records(claimed.id)) == (0, [])


def test_r21_a_record_that_is_there_already_rolls_the_function_back(store: Store, step: StepConnection) -> None:
    node = register(store)
    claimed = running(store, node)
    for _ in range(2):
        book(step)
        step.commit(node, item(claimed), NOW)
    assert step.is_usable
    assert (booked(step), [line.seq for line in store.records(claimed.id)]) == (1, [1])


@on_servers
def test_r21_a_function_under_way_does_not_keep_its_nodes_reaper_out(stage: ServerStage) -> None:
    """The fence is taken last: a function may take as long as it likes, and then hears that it was in vain."""
    with_table = stage.a.step_connection()
    run(with_table, "create table ledger (amount integer)")
    stage.submit()
    (claimed,) = stage.claim_a()
    book(with_table)
    assert stage.b.mark_dead(stage.node_a.id, stage.counter(stage.node_a), NOW)
    with pytest.raises(LeaseLost):
        with_table.commit(stage.node_a, item(claimed), NOW)
    with_table.roll_back()
    assert booked(with_table) == 0
    with_table.close()


def test_r21_a_commit_that_waits_for_its_reaper_takes_the_functions_writes_back(stage: Stage) -> None:
    step = stage.a.step_connection()
    run(step, "create table ledger (amount integer)")
    stage.submit()
    (claimed,) = stage.claim_a()
    with stage.b.transaction():
        assert stage.b.mark_dead(stage.node_a.id, None, NOW)
        late = stage.in_thread(book_and_commit, step, stage, claimed)
        stage.until_blocked()
    assert isinstance(late.exception(), LeaseLost)
    step.roll_back()
    assert (booked(step), stage.b.records(claimed.id)) == (0, [])
    step.close()


def book_and_commit(step: StepConnection, stage: Stage, claimed: Claimed) -> bool:
    book(step)
    return step.commit(stage.node_a, item(claimed), NOW)


@pytest.mark.parametrize("url", ["postgres"], indirect=True)
def test_g5_a_record_is_durable_whatever_its_function_has_set(
    store: Store, step: StepConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a crash of the server could lose it, while the effect of the step that follows stands."""
    genuine = committing.commit
    seen: list[list[Any]] = []

    def commit(*arguments: Any) -> Any:
        seen.append(run(step, "show synchronous_commit"))
        return genuine(*arguments)

    monkeypatch.setattr(committing, "commit", commit)
    node = register(store)
    claimed = running(store, node)
    book(step)
    run(step, "set synchronous_commit = off")
    run(step, "set local synchronous_commit = off")
    assert step.commit(node, item(claimed), NOW)
    assert seen == [[("on",)]]
