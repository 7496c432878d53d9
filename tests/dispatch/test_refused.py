"""What the database does not take of an execution whose body still runs: it ends first, and what it did is kept."""

from __future__ import annotations

import pytest
from hydra.dispatch import events
from hydra.execution import CommitAnswer, Ending
from hydra.frames import Durable, FromWorker, Halt
from hydra.stores.node_states import Attention

from tests.dispatch.driver import KILLED, Driver, crash, ended, record, recorded


def refused(*before: FromWorker) -> Driver:
    """`a` has recorded something that cannot be written; `before` came while that was asked."""
    node = Driver().join().run("a")
    node.receive(0, recorded(node.tokens["a"], 1))
    commit, node.commit = node.commit, None
    assert commit is not None
    if before:
        node.receive(0, *before)
    node.tell(events.CommitDone(commit.batch, [CommitAnswer.REFUSED], held=frozenset({"a"})))
    return node


def sent(node: Driver) -> list[object]:
    return [frame for action in node.actions if isinstance(action, events.ToSlot) for frame in action.frames]


def test_g4_its_body_stops_and_nothing_of_it_is_asked_again_before_it_has_ended() -> None:
    node = refused()
    token = node.tokens["a"]
    assert sent(node) == [Halt(token, "refused")]
    node.receive(0, recorded(token, 2))
    node.tick()
    assert node.commit is None and not any(isinstance(frame, Durable) for frame in sent(node))
    node.receive(0, ended(token, Ending.RELEASED, record(3)))
    assert node.commit is not None
    [commit] = node.commit.commits
    assert [each.seq for each in commit.records] == [1, 2, 3] and commit.end is not None


def test_g4_an_end_that_was_told_meanwhile_goes_with_it_at_once() -> None:
    node = refused(ended(1, Ending.COMPLETED, record(2)))
    assert node.commit is not None
    [commit] = node.commit.commits
    assert [each.seq for each in commit.records] == [1, 2] and commit.end is not None
    assert sent(node) == []


@pytest.mark.parametrize("has_more", [False, True])
def test_g4_a_death_of_its_worker_is_told_with_it(has_more: bool) -> None:
    node = refused()
    token = node.tokens["a"]
    if has_more:
        node.receive(0, recorded(token, 2))
    node.tell(events.WorkerGone(0, KILLED, [(token, crash())]))
    assert node.commit is not None
    [commit] = node.commit.commits
    assert [each.kind for each in commit.records][-1] == "crash" and commit.records[0].seq == 1
    assert commit.end is not None and commit.end.kind == Ending.CRASHED


def test_a_cancel_does_not_begin_to_undo_what_cannot_be_recorded() -> None:
    node = refused()
    node.beaten(1, Attention("a", 1, "cancel"))
    assert sent(node) == []
