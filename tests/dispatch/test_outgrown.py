"""A worker that takes more memory than it may: it drains, another takes over at once, and what grows is found."""

from __future__ import annotations

from hydra.dispatch import events
from hydra.dispatch.worker_ends import OUTGROWN
from hydra.execution import Ending
from hydra.frames import Drain

from tests.dispatch.driver import KILLED, LEFT, SECOND, Driver, ended

SIZE = 600 << 20


def working(*ids: str, slots: int = 1) -> Driver:
    node = Driver(slots=slots, concurrency=4).join().run(*ids)
    if node.claims():
        node.run()
    return node


def test_b3_an_outgrown_worker_drains_and_another_starts_beside_it() -> None:
    node = working("a")
    node.tell(events.WorkerOutgrown(0, SIZE))
    assert len(node.sent(Drain)) == 1
    assert [action.slot for action in node.wants(events.SpawnWorker)] == [1]
    assert ["takes 600 MiB" in action.message for action in node.wants(events.Log)] == [True]
    node.tell(events.WorkHint())
    node.tell(events.WorkerStarted(1))
    node.run("b")
    assert node.slots["b"] == 1
    node.receive(0, ended(node.tokens["a"]))
    node.die(0, reason=LEFT)
    assert not node.wants(events.SpawnWorker)


def test_b3_the_one_after_it_may_outgrow_its_limit_too() -> None:
    node = working()
    node.tell(events.WorkerOutgrown(0, SIZE))
    node.tell(events.WorkerStarted(1))
    node.die(0, reason=OUTGROWN)
    node.tell(events.WorkerOutgrown(1, SIZE))
    assert [action.slot for action in node.wants(events.SpawnWorker)] == [0]


def test_b3_where_no_slot_is_free_another_starts_when_the_first_has_gone() -> None:
    node = working()
    node.tell(events.WorkerOutgrown(0, SIZE))
    node.tell(events.WorkerStarted(1))
    node.tell(events.WorkerOutgrown(1, SIZE))
    assert not node.wants(events.SpawnWorker)
    node.die(0, reason=OUTGROWN)
    assert [action.slot for action in node.wants(events.SpawnWorker)] == [0]


def test_it_is_told_once_and_not_of_a_node_that_ends_anyway() -> None:
    node = working()
    node.tell(events.WorkerOutgrown(0, SIZE))
    assert not node.tell(events.WorkerOutgrown(0, SIZE))
    node = working()
    node.tell(events.DrainAsked())
    node.tell(events.WorkerOutgrown(0, SIZE))
    assert not node.sent(Drain)
    assert not node.wants(events.SpawnWorker)


def test_g7_what_does_not_end_in_an_outgrown_worker_dies_with_it_so_that_poison_is_found() -> None:
    node = working("a")
    node.tell(events.WorkerOutgrown(0, SIZE))
    node.tell(events.WorkerStarted(1))
    node.run()
    node.tick(20 * SECOND)
    (kill,) = node.wants(events.KillWorker)
    assert (kill.slot, kill.reason) == (0, OUTGROWN)
    node.die(0, "a", reason=KILLED)
    assert node.committed()["a"].end.kind == Ending.CRASHED
    assert node.committed()["a"].death_count == 1


def test_g7_the_end_of_a_node_is_no_death_in_an_outgrown_worker_either() -> None:
    node = working("a")
    node.tell(events.WorkerOutgrown(0, SIZE))
    node.tell(events.DrainAsked())
    node.tick(20 * SECOND)
    node.die(0, "a", reason=KILLED)
    assert node.committed()["a"].death_count is None
