"""Drain, stop and reload: what runs is finished or handed back, and leaving never waits for ever."""

from __future__ import annotations

from hydra.dispatch import events
from hydra.execution import Ending
from hydra.frames import Drain, Run

from tests.dispatch.driver import LEFT, SECOND, Driver, claimed, ended, recorded


def working(*ids: str, slots: int = 1, concurrency: int = 4) -> Driver:
    node = Driver(slots=slots, concurrency=concurrency).join().run(*ids)
    if node.claims():
        node.run()
    return node


def exits(node: Driver) -> list[tuple[int, bool]]:
    return [(action.code, action.registered) for action in node.wants(events.Exit)]


def test_a_drained_node_leaves_when_its_workers_are_gone_and_everything_is_written() -> None:
    node = working("a", "b")
    node.tell(events.DrainAsked())
    assert node.sent(Drain)
    node.receive(0, ended(node.tokens["a"]), ended(node.tokens["b"], Ending.RELEASED))
    node.die(0, reason=LEFT)
    assert not exits(node)
    assert not node.wants(events.SpawnWorker)
    node.written()
    assert exits(node) == [(0, True)]


def test_an_idle_node_leaves_as_soon_as_its_worker_is_gone() -> None:
    node = working()
    node.tell(events.DrainAsked())
    node.die(0, reason=LEFT)
    assert exits(node) == [(0, True)]


def test_a_draining_node_hands_back_what_waits_for_a_place_at_once() -> None:
    node = working("a", "b", "c", "d", "e")
    node.tell(events.DrainAsked())
    assert node.committed()["e"].end.kind == Ending.RELEASED


def test_a_draining_node_hands_back_what_an_answered_claim_brings() -> None:
    node = Driver().join()
    node.tell(events.DrainAsked())
    node.run("a")
    assert node.committed()["a"].end.kind == Ending.RELEASED
    assert not node.sent(Run)


def test_a_draining_node_goes_on_beating() -> None:
    node = working("a")
    node.tell(events.DrainAsked())
    node.tick(3 * SECOND)
    assert node.wants(events.SendBeat)


def test_what_still_runs_after_the_grace_is_killed_and_handed_back_with_its_records() -> None:
    node = working("a")
    node.tell(events.DrainAsked())
    node.tick(19 * SECOND)
    assert not node.wants(events.KillWorker)
    node.tick(SECOND)
    assert node.wants(events.KillWorker)
    node.receive(0, recorded(node.tokens["a"], 1))
    node.die(0, "a")
    node.written()
    assert [item.seq for item in node.committed()["a"].records] == [2]
    assert node.committed()["a"].end.kind == Ending.RELEASED
    node.written()
    assert exits(node) == [(0, True)]


def test_a_crash_whose_commit_was_under_way_at_the_drain_is_handed_back() -> None:
    node = working("a")
    node.die(0, "a")
    node.tell(events.DrainAsked())
    node.written()
    assert node.committed()["a"].end.kind == Ending.RELEASED
    assert node.committed()["a"].epoch == 2


def test_g7_a_worker_that_crashes_during_the_drain_counts_as_a_death() -> None:
    node = working("a")
    node.tell(events.DrainAsked())
    node.die(0, "a")
    assert (node.committed()["a"].end.kind, node.committed()["a"].death_count) == (Ending.RELEASED, 1)


def test_stop_kills_at_once() -> None:
    node = working("a")
    node.tell(events.DrainAsked())
    node.tell(events.StopAsked())
    assert node.wants(events.KillWorker)
    node.die(0, "a")
    node.written()
    assert exits(node) == [(0, True)]


def test_a_worker_that_was_still_starting_is_killed_by_the_drain() -> None:
    node = Driver()
    node.tick()
    node.registered()
    node.tell(events.DrainAsked())
    assert node.wants(events.KillWorker)


def test_leaving_while_the_database_is_away_takes_a_bounded_time_and_says_what_was_not_handed_back() -> None:
    node = working("a")
    node.receive(0, recorded(node.tokens["a"], 1))
    node.fail()
    node.tell(events.DrainAsked())
    node.receive(0, ended(node.tokens["a"], Ending.RELEASED))
    node.die(0, reason=LEFT)
    began = node.now
    while not exits(node):
        node.tick(SECOND // 10)
        if node.wants(events.SendCommit):
            node.fail()
        if node.wants(events.SendBeat):
            node.tell(events.BeatFailed("down"))
    assert node.now - began < 6 * SECOND
    assert exits(node) == [(0, False)]
    assert any("1 executions" in action.message for action in node.wants(events.Log))


def test_a_node_that_never_registered_leaves_at_once() -> None:
    node = Driver()
    node.tick()
    node.tell(events.RegisterFailed("down"))
    node.tell(events.DrainAsked())
    assert exits(node) == [(0, False)]


def test_r1_while_a_worker_may_live_its_executions_are_left_to_the_lease() -> None:
    node = working("a")
    node.tell(events.StopAsked())
    node.tick(10 * SECOND)
    assert exits(node) == [(0, False)]


def test_a_refused_node_that_drains_leaves_when_its_workers_are_dead() -> None:
    node = Driver().join().run("a")
    node.tell(events.WorkHint())
    assert node.asked
    node.tell(events.DrainAsked())
    node.tell(events.Refused())
    assert not exits(node)
    node.die(0)
    assert exits(node) == [(0, False)]


def test_nothing_happens_after_the_exit() -> None:
    node = working()
    node.tell(events.DrainAsked())
    node.die(0, reason=LEFT)
    assert node.tick(SECOND) == []


def test_a_reload_starts_workers_of_the_new_code_beside_the_old_ones_which_drain() -> None:
    node = working("a", slots=2)
    node.tell(events.Reload([]))
    assert [action.slot for action in node.wants(events.SpawnWorker)] == [2, 3]
    assert len(node.sent(Drain)) == 2
    node.tell(events.WorkHint())
    node.tell(events.WorkerStarted(2))
    assert node.claims() == 4
    node.run("b")
    assert node.slots["b"] == 2
    old = node.slots["a"]
    node.receive(old, ended(node.tokens["a"]))
    node.die(old, reason=LEFT)
    assert not node.wants(events.SpawnWorker)


def test_a_second_reload_uses_the_first_slots_again_once_they_are_free() -> None:
    node = working(slots=1)
    node.tell(events.Reload([]))
    node.tell(events.WorkerStarted(1))
    node.die(0, reason=LEFT)
    node.tell(events.Reload([]))
    assert [action.slot for action in node.wants(events.SpawnWorker)] == [0]


def test_g7_an_old_worker_killed_after_a_reload_is_no_death_of_its_executions() -> None:
    node = working(claimed("a", deaths=2, alone=2))
    node.tell(events.Reload([]))
    node.tell(events.WorkerStarted(1))
    node.run()
    node.tick(20 * SECOND)
    assert [action.slot for action in node.wants(events.KillWorker)] == [0]
    node.die(0, "a")
    assert node.committed()["a"].end.kind == Ending.CRASHED
    assert node.committed()["a"].death_count is None
    node.written()
    assert node.slots["a"] == 1
