"""Dead, silent and stuck workers: what is recorded, when it runs again, and how poison is found (G7, R22)."""

from __future__ import annotations

import pytest
from hydra.codec import decode
from hydra.dispatch import events
from hydra.dispatch.worker_ends import WorkerEnd
from hydra.execution import Ending
from hydra.frames import Recycle, Run

from tests.dispatch.driver import MS, SECOND, Driver, claimed, ended, recorded


def working(*ids: str, slots: int = 1, concurrency: int = 8) -> Driver:
    node = Driver(slots=slots, concurrency=concurrency).join().run(*ids)
    if node.claims():
        node.run()
    return node


def test_a_dead_worker_is_replaced_at_once() -> None:
    node = working("a", slots=2)
    node.die(node.slots["a"])
    assert [action.slot for action in node.wants(events.SpawnWorker)] == [node.slots["a"]]


def test_r22_the_crashed_tries_are_numbered_after_everything_the_worker_sent() -> None:
    node = working("a", "b")
    node.receive(0, recorded(node.tokens["a"], 1, 2))
    node.die(0, "a", "a", "b")
    node.written()
    committed = node.committed()
    assert [(item.seq, item.kind) for item in committed["a"].records] == [(3, "crash"), (4, "crash")]
    assert [(item.seq, item.kind) for item in committed["b"].records] == [(1, "crash")]
    assert {commit.end.kind for commit in committed.values()} == {Ending.CRASHED}
    assert committed["a"].end.cause == "signal SIGKILL"


def test_r22_it_runs_again_only_when_the_crash_is_durable_with_all_records_now_known() -> None:
    node = working(claimed("a", records=2))
    first = node.tokens["a"]
    node.receive(0, recorded(first, 3))
    node.die(0, "a")
    node.start(0)
    assert not node.sent(Run)
    node.written()
    assert not node.sent(Run)
    node.written()
    assert node.runs["a"].epoch == 2
    assert [item.seq for item in node.runs["a"].records] == [1, 2, 3, 4]
    assert node.tokens["a"] != first


def test_r22_an_execution_that_had_ended_does_not_run_again() -> None:
    node = working("a", "b")
    node.receive(0, ended(node.tokens["a"]))
    node.die(0, "b")
    node.start(0)
    node.written()
    assert node.dispatcher.owned_count == 1
    node.written()
    assert [frame.execution.id for frame in node.sent(Run)] == ["b"]


def test_r22_an_end_that_waits_to_be_written_is_none_of_the_crashes() -> None:
    node = working("a", "b")
    node.receive(0, recorded(node.tokens["b"], 1))
    node.receive(0, ended(node.tokens["a"]))
    node.die(0, "b")
    node.written()
    assert {id: commit.end.kind for id, commit in node.committed().items()} == {
        "a": Ending.COMPLETED,
        "b": Ending.CRASHED,
    }


def test_g7_each_death_in_a_row_halves_what_may_run_beside_it() -> None:
    node = working(*[f"e{number}" for number in range(8)])
    counts = []
    for _ in range(4):
        node.die(0)
        node.written()
        node.start(0)
        counts.append(len(node.sent(Run)))
    assert counts == [4, 2, 1, 1]


@pytest.mark.parametrize(("deaths", "count"), [(0, 8), (1, 4), (2, 2), (3, 1), (4, 1), (60, 1)])
def test_g7_how_many_run_beside_one_that_died(deaths: int, count: int) -> None:
    node = Driver(slots=1, concurrency=8).join()
    node.run(*[claimed(f"e{number}", deaths=deaths) for number in range(8)])
    assert len(node.sent(Run)) == count


def test_g7_of_several_the_smallest_number_holds() -> None:
    node = Driver(slots=1, concurrency=8).join()
    node.run(claimed("suspect", deaths=2), *[f"e{number}" for number in range(7)])
    assert len(node.sent(Run)) == 2


def test_g7_a_suspect_does_not_join_more_than_it_allows() -> None:
    node = working("a", "b", "c")
    node.tell(events.WorkHint())
    node.tick(MS)
    node.run(claimed("suspect", deaths=2))
    assert not node.sent(Run)
    node.receive(0, ended(node.tokens["a"]), ended(node.tokens["b"]))
    assert [frame.execution.id for frame in node.sent(Run)] == ["suspect"]


def test_g7_a_waiting_suspect_is_not_starved_by_new_work() -> None:
    node = working("a", "b", "c")
    node.tell(events.WorkHint())
    node.tick(MS)
    node.run(claimed("suspect", deaths=3))
    for id in "ab":
        node.receive(0, ended(node.tokens[id]))
        assert not node.claims(), "the worker it waits for is being emptied"
        node.written()
    node.receive(0, ended(node.tokens["c"]))
    assert node.slots["suspect"] == 0


def test_g7_a_waiting_suspect_empties_one_worker_and_leaves_the_others_to_new_work() -> None:
    node = working(*[f"e{number}" for number in range(10)], slots=2)
    node.tell(events.WorkHint())
    node.tick(MS)
    node.run(claimed("suspect", deaths=3))
    node.tick(5 * MS)
    node.tell(events.WorkHint())
    node.tick(5 * MS)
    assert node.dispatcher.waiting_count == 1
    assert 1 <= node.asked <= 3


def test_g7_work_that_waits_with_a_suspect_goes_to_the_other_worker() -> None:
    node = working(*[f"e{number}" for number in range(13)], slots=2)
    node.tell(events.WorkHint())
    node.tick(5 * MS)
    node.run(claimed("suspect", deaths=3), "other")
    loads = [sum(node.slots[f"e{number}"] == slot for number in range(13)) for slot in range(2)]
    assert "suspect" not in node.slots
    assert node.slots["other"] == loads.index(max(loads))


def test_g7_a_record_ends_the_suspicion() -> None:
    node = Driver(slots=1, concurrency=8).join()
    node.run(claimed("suspect", deaths=3, alone=2), *[f"e{number}" for number in range(7)])
    assert len(node.sent(Run)) == 1
    node.receive(0, recorded(node.tokens["suspect"], 1))
    assert len(node.sent(Run)) == 7
    assert (node.committed()["suspect"].death_count, node.committed()["suspect"].alone_death_count) == (0, 0)


def test_g7_three_deaths_alone_in_a_row_park_it() -> None:
    node = working("poison")
    for count in (1, 2):
        node.die(0, "poison")
        assert node.committed()["poison"].end.kind == Ending.CRASHED
        assert node.committed()["poison"].alone_death_count == count
        node.written()
        node.start(0)
    node.die(0, "poison", reason=WorkerEnd.of_signal(11))
    end = node.committed()["poison"].end
    assert (end.kind, end.cause) == (Ending.PARKED, "poison")
    sentence = decode(end.payload)
    assert "signal SIGSEGV" in sentence
    assert "hydra resume poison" in sentence
    node.written()
    assert node.dispatcher.owned_count == 0


def test_g7_deaths_of_before_count_when_they_were_in_a_row() -> None:
    node = working(claimed("poison", deaths=5, alone=2))
    node.die(0)
    assert node.committed()["poison"].end.kind == Ending.PARKED


def test_g7_a_death_beside_others_breaks_the_row_of_deaths_alone() -> None:
    node = working(claimed("a", deaths=1, alone=2), "b")
    node.die(0)
    assert {commit.end.kind for commit in node.committed().values()} == {Ending.CRASHED}
    assert {commit.alone_death_count for commit in node.committed().values()} == {0}


def test_g7_the_end_of_a_node_is_no_death_of_its_executions() -> None:
    node = working("a")
    node.tell(events.DrainAsked())
    node.tick(20 * SECOND)
    assert node.wants(events.KillWorker)
    node.die(0, "a")
    assert node.committed()["a"].death_count is None
    assert node.committed()["a"].end.kind == Ending.RELEASED


def test_a_slot_that_keeps_dying_without_progress_waits_longer_and_longer() -> None:
    node = Driver().join()
    pauses = []
    for _ in range(10):
        died_at = node.now
        node.die(0)
        node.start(0)
        pauses.append((node.now - died_at) // MS)
    assert pauses[0] == 0
    for pause, longest in zip(pauses[1:], [100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000], strict=True):
        assert longest // 2 <= pause <= longest + 10


def test_b1_a_worker_after_others_that_died_gets_few_executions_until_it_has_done_something() -> None:
    node = Driver(concurrency=64).join().run()
    for _ in range(3):
        node.die(0)
        node.start(0)
    node.tell(events.WorkHint())
    node.tick(SECOND)
    assert node.claims() == 2
    node.run("a", "b")
    node.receive(0, recorded(node.tokens["a"], 1))
    node.written()
    node.tick(SECOND)
    assert node.claims() == 62


def test_b1_a_worker_after_others_that_died_is_good_when_it_has_lived_for_a_while() -> None:
    node = Driver(concurrency=64).join().run()
    for _ in range(3):
        node.die(0)
        node.start(0)
    node.tell(events.WorkHint())
    node.tick(SECOND)
    node.run("a", "b")
    assert not node.asked
    for _ in range(12):
        node.tick(SECOND)
        if node.wants(events.SendBeat):
            node.beaten()
    assert [each.state for each in node.dispatcher.standing().circuits if each.worker] == ["closed"]
    assert node.asked == 62


def test_progress_or_a_long_life_ends_the_pause() -> None:
    node = Driver().join().run("a")
    for _ in range(4):
        node.die(0)
        node.start(0)
        node.now += 11 * SECOND
    node.die(0)
    assert node.wants(events.SpawnWorker)


def test_a_silent_worker_is_killed_and_its_work_waits_for_its_death() -> None:
    node = working("a")
    node.tell(events.WorkerSilent(0))
    assert [action.slot for action in node.wants(events.KillWorker)] == [0]
    assert not node.wants(events.SendCommit)
    node.tell(events.WorkerSilent(0))
    assert not node.wants(events.KillWorker)
    node.die(0)
    assert node.committed()["a"].end.kind == Ending.CRASHED


def test_a_worker_that_does_not_start_is_killed_in_the_end() -> None:
    node = Driver()
    node.tick()
    node.registered()
    for _ in range(200):
        node.tick(SECOND)
        if node.wants(events.KillWorker):
            break
        if node.wants(events.SendBeat):
            node.beaten()
    assert node.wants(events.KillWorker)


def test_after_an_overdue_step_the_others_get_ten_seconds() -> None:
    node = working("stuck", "quick", "slow")
    node.tell(events.StepOverdue(0, node.tokens["stuck"]))
    assert not node.wants(events.KillWorker)
    node.receive(0, ended(node.tokens["quick"]))
    node.tick(9 * SECOND)
    assert not node.wants(events.KillWorker)
    node.tick(SECOND)
    assert node.wants(events.KillWorker)


def test_when_only_an_overdue_step_is_left_its_worker_is_killed_at_once() -> None:
    node = working("stuck", "quick")
    node.tell(events.StepOverdue(0, node.tokens["stuck"]))
    node.receive(0, ended(node.tokens["quick"]))
    assert node.wants(events.KillWorker)


def test_an_overdue_step_that_ended_meanwhile_kills_nobody() -> None:
    node = working("a", "b")
    token = node.tokens["a"]
    node.receive(0, ended(token))
    node.tell(events.StepOverdue(0, token))
    node.tick(20 * SECOND)
    assert not node.wants(events.KillWorker)


def test_a_worker_that_recycles_is_killed_at_the_time_it_names() -> None:
    node = working("a", "b", "c")
    node.receive(0, Recycle("a step does not end", node.now + 3 * SECOND))
    node.tick(2 * SECOND)
    assert not node.wants(events.KillWorker)
    node.tick(SECOND)
    assert [action.reason.sentence for action in node.wants(events.KillWorker)] == ["a step does not end"]
    assert not node.wants(events.SpawnWorker)
    node.die(0)
    assert node.wants(events.SpawnWorker)


def test_a_recycling_worker_gets_no_new_work() -> None:
    node = working("a", "b", "c")
    node.receive(0, Recycle("a step does not end", node.now + 3 * SECOND))
    node.receive(0, ended(node.tokens["a"]))
    assert not node.claims()


def test_a_slot_whose_worker_is_dead_gets_no_work_before_that_is_settled() -> None:
    """The database may take its time to say what the worker's transactions did."""
    node = working("a")
    node.tell(events.WorkHint())
    assert node.claims()
    node.tell(events.WorkerEnding(0))
    node.run("b")
    node.tick(MS)
    assert not node.sent(Run)
    node.die(0, "a")
    node.start(0)
    assert set(node.runs) == {"a", "b"}
    assert node.runs["b"].death_count == 0


def test_g7_a_death_for_a_time_out_counts_against_nobody() -> None:
    """What it ended is recorded, and its policy decides."""
    node = working("a", "b")
    node.tell(events.StepOverdue(0, node.tokens["a"]))
    node.receive(0, ended(node.tokens["b"]))
    assert node.wants(events.KillWorker)
    node.die(0, "a")
    node.written()
    assert node.committed()["a"].death_count is None
    node.start(0)
    node.written()
    assert (node.runs["a"].death_count, node.runs["a"].alone_death_count) == (0, 0)


def test_a_body_that_holds_up_its_worker_is_alone_to_blame_and_parked_the_second_time() -> None:
    node = Driver().join().run("blocks", "a", "b")
    node.tell(events.BodyOverdue(0, node.tokens["blocks"]))
    assert node.wants(events.KillWorker)
    node.die(0)
    commits = node.committed()
    assert {id: commit.death_count for id, commit in commits.items()} == {"blocks": 1, "a": None, "b": None}
    assert {commit.end.kind for commit in commits.values() if commit.end} == {Ending.CRASHED}
    node.written()
    node.start(0)
    node.tell(events.BodyOverdue(0, node.tokens["blocks"]))
    node.die(0)
    end = node.committed()["blocks"].end
    assert end is not None
    assert (end.kind, end.cause) == (Ending.PARKED, "poison")


def test_a_body_that_recorded_something_in_between_is_not_parked() -> None:
    node = Driver().join().run("blocks")
    node.tell(events.BodyOverdue(0, node.tokens["blocks"]))
    node.die(0)
    node.written()
    node.start(0)
    node.receive(0, recorded(node.tokens["blocks"], 1))
    node.written()
    node.tell(events.BodyOverdue(0, node.tokens["blocks"]))
    node.die(0)
    end = node.committed()["blocks"].end
    assert end is not None
    assert end.kind == Ending.CRASHED


def test_an_accusation_of_a_dispatch_that_is_over_kills_nobody() -> None:
    node = Driver().join().run("a")
    node.tell(events.BodyOverdue(0, node.tokens["a"] + 7))
    assert not node.wants(events.KillWorker)
