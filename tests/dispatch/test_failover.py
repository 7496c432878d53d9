"""R19: after each reconnect the database proves that it still holds what it confirmed, or the node begins again."""

from __future__ import annotations

import pytest
from hydra.dispatch import events
from hydra.dispatch.events import Reached
from hydra.dispatch.failover import MAX_ENDS, Acknowledged
from hydra.dispatch.owned import OwnedExecution
from hydra.execution import CommitAnswer, End, Ending, ExecutionCommit
from hydra.frames import Committed, Durable, Halt
from hydra.stores.node_states import Advanced, Beat, Owned

from tests.dispatch.driver import KILLED, SECOND, TTL, Driver, claimed, ended, record, recorded


def working(*ids: str) -> Driver:
    """These run, one beat was counted, no claim is under way."""
    node = Driver(can_rewind=True).join().run(*ids)
    node.tick(3 * SECOND)
    node.tell(events.Beaten(node.now, Beat(len(ids), [], counter=1)))
    while node.asked:
        node.run()
    return node


def reconnect(node: Driver) -> list[str]:
    """The connection is another one; what the node asks about."""
    node.commit, node.asked = None, 0
    node.tell(events.Reconnected())
    (asked,) = node.wants(events.SendResync)
    return asked.ids


def resynced(node: Driver, *rows: tuple[str, int, int], counter: int = 1, found: list[Reached] | None = None) -> None:
    node.tell(events.Resynced([Owned(*item) for item in rows], counter, found or []))


def has_begun_anew(node: Driver) -> bool:
    return bool(node.wants(events.Renew)) and node.dispatcher.owned_count == 0


def test_r19_nothing_is_written_over_a_new_connection_before_the_database_is_proven() -> None:
    node = working("a")
    reconnect(node)
    node.receive(0, recorded(node.tokens["a"], 1))
    node.tick(3 * SECOND)
    assert node.commit is None
    assert not node.wants(events.SendBeat)
    resynced(node, ("a", 1, 0))
    assert list(node.committed()) == ["a"]
    assert node.dispatcher.owned_count == 1


def test_r19_a_record_that_is_gone_begins_the_node_anew_and_parks_its_execution() -> None:
    node = working("a", "b")
    node.receive(0, recorded(node.tokens["a"], 1, 2))
    node.written()
    reconnect(node)
    resynced(node, ("a", 1, 1), ("b", 1, 0))
    assert has_begun_anew(node)
    assert [action.slot for action in node.wants(events.KillWorker)] == [0]
    (park,) = node.wants(events.Park)
    assert (park.advanced, park.beat_counter, park.is_refused) == ([Advanced("a", 2, 1)], 1, False)


def test_r19_the_new_registration_waits_for_the_workers_end_and_for_the_parking() -> None:
    node = working("a")
    node.receive(0, recorded(node.tokens["a"], 1))
    node.written()
    reconnect(node)
    resynced(node, ("a", 1, 0))
    node.tell(events.WorkerGone(0, KILLED, []))
    node.tick(SECOND)
    assert not node.wants(events.Register)
    node.tell(events.ParkFailed("down"))
    assert not node.wants(events.Register)
    node.tick(SECOND)
    assert node.wants(events.Park)
    node.tell(events.Parked(["a"]))
    assert not node.wants(events.Register), "the other nodes may still be finding out"
    node.tick(TTL)
    assert node.wants(events.Park), "what their registrations held is theirs no more"
    node.tell(events.Parked(["b"]))
    assert node.wants(events.Register)


def test_r19_a_beat_that_is_gone_is_a_rewind() -> None:
    node = working()
    reconnect(node)
    resynced(node, counter=0)
    assert has_begun_anew(node)


def test_r19_a_claim_that_is_gone_is_a_rewind() -> None:
    node = working("a")
    reconnect(node)
    resynced(node)
    assert has_begun_anew(node)
    assert not node.sent(Halt)
    (park,) = node.wants(events.Park)
    assert park.advanced == [], "it had not come far"


def test_r19_an_end_that_is_gone_is_a_rewind_and_is_parked() -> None:
    node = working("a")
    node.receive(0, ended(node.tokens["a"], Ending.COMPLETED, record(1)))
    node.written()
    assert reconnect(node) == ["a"]
    resynced(node, ("a", 1, 1))
    assert has_begun_anew(node)
    (park,) = node.wants(events.Park)
    assert park.advanced == [Advanced("a", 2, 1)]


def test_r19_an_end_and_its_claim_that_are_gone_are_a_rewind() -> None:
    node = working("a")
    node.receive(0, ended(node.tokens["a"], Ending.COMPLETED, record(1)))
    node.written()
    reconnect(node)
    resynced(node, found=[Reached("a", 0, 0, False)])
    assert has_begun_anew(node)
    (park,) = node.wants(events.Park)
    assert park.advanced == [Advanced("a", 2, 1)]


def test_r19_an_end_without_a_record_that_is_gone_is_a_rewind() -> None:
    """Nothing is missing but the end: what was handed back is this node's again."""
    node = working("a")
    node.receive(0, ended(node.tokens["a"], Ending.SLEEPING))
    node.written()
    reconnect(node)
    resynced(node, ("a", 1, 0), found=[Reached("a", 1, 0, False)])
    assert has_begun_anew(node)


def test_r19_an_execution_that_is_gone_altogether_is_a_rewind() -> None:
    node = working("a")
    node.receive(0, ended(node.tokens["a"], Ending.COMPLETED, record(1)))
    node.written()
    reconnect(node)
    resynced(node)
    assert has_begun_anew(node)


def test_r19_an_end_that_is_there_proves_itself_and_all_before_it() -> None:
    node = working("a", "b")
    node.receive(0, ended(node.tokens["a"], Ending.COMPLETED, record(1)), ended(node.tokens["b"], Ending.SLEEPING))
    node.written()
    assert reconnect(node) == ["b"]
    resynced(node, found=[Reached("b", 1, 0, False)])
    assert not node.wants(events.Renew)


def test_r19_the_end_under_way_when_the_connection_broke_is_asked_about() -> None:
    """Not owned any more may mean that it was written, or that its claim was lost."""
    for found, is_rewound in ((Reached("a", 1, 0, True), False), (Reached("a", 0, 0, False), True)):
        node = working("a")
        node.receive(0, ended(node.tokens["a"]))
        node.commit, node.asked = None, 0
        node.tell(events.OutcomeUnknown("connection reset"))
        assert [action.ids for action in node.wants(events.SendResync)] == [["a"]]
        resynced(node, found=[found])
        assert has_begun_anew(node) is is_rewound
        assert node.dispatcher.owned_count == 0


def test_r19_a_transactions_record_is_known_to_be_durable() -> None:
    node = working("a")
    node.receive(0, Committed(node.tokens["a"], record(1)))
    reconnect(node)
    resynced(node, ("a", 1, 0))
    assert has_begun_anew(node)


def test_r19_a_crash_found_written_is_no_rewind() -> None:
    node = working("a")
    node.receive(0, recorded(node.tokens["a"], 1))
    node.written()
    node.die(0, "a")
    node.written()
    reconnect(node)
    resynced(node, ("a", 2, 2))
    assert not node.wants(events.Renew)
    assert node.dispatcher.owned_count == 1


def test_r19_a_generation_that_ended_is_no_rewind_and_parks_nothing() -> None:
    node = working("a", "b")
    node.receive(0, recorded(node.tokens["a"], 1))
    node.written()
    node.receive(0, ended(node.tokens["a"], Ending.CONTINUED, record(2)))
    node.written()
    assert reconnect(node) == ["a"]
    resynced(node, ("b", 1, 0), found=[Reached("a", 1, 0, False, 1)])
    assert not node.wants(events.Renew)
    node.tell(events.Refused())
    (park,) = node.wants(events.Park)
    assert park.advanced == []


def test_r19_a_generation_whose_end_was_in_doubt_is_no_rewind() -> None:
    node = working("a")
    node.receive(0, recorded(node.tokens["a"], 1))
    node.written()
    node.receive(0, ended(node.tokens["a"], Ending.CONTINUED, record(2)))
    node.tell(events.OutcomeUnknown("connection reset"))
    (resync,) = node.wants(events.SendResync)
    assert resync.ids == ["a"]
    resynced(node, found=[Reached("a", 1, 0, False, 1)])
    assert not node.wants(events.Renew)
    assert node.dispatcher.owned_count == 0


def test_r19_a_generation_whose_end_was_in_doubt_may_be_ours_again() -> None:
    """One lost reply: it ended, and the next one was claimed."""
    node = working("a")
    node.receive(0, recorded(node.tokens["a"], 1))
    node.written()
    node.receive(0, ended(node.tokens["a"], Ending.CONTINUED, record(2)))
    node.tell(events.OutcomeUnknown("connection reset"))
    resynced(node, ("a", 2, 0), found=[Reached("a", 2, 0, False)])
    assert not node.wants(events.Renew)
    (asked,) = node.wants(events.Recover)
    assert asked.ids == ["a"]


def test_r19_another_node_may_have_ended_the_generation_since() -> None:
    node = working("a")
    node.receive(0, ended(node.tokens["a"], Ending.WAITING, record(1)))
    node.written()
    reconnect(node)
    resynced(node, found=[Reached("a", 3, 0, False, 2)])
    assert not node.wants(events.Renew)


def test_r19_a_refused_node_parks_what_the_database_may_have_lost_with_its_registration() -> None:
    node = working("a", "b")
    node.receive(0, recorded(node.tokens["a"], 1))
    node.written()
    node.tell(events.Refused())
    (park,) = node.wants(events.Park)
    assert (park.advanced, park.beat_counter, park.is_refused) == ([Advanced("a", 1, 1)], 1, True)
    node.tell(events.WorkerGone(0, KILLED, []))
    node.tell(events.Parked([]))
    assert node.wants(events.Register)
    assert node.dispatcher._registration.rewound_count == 0, "it was a death"


def test_r19_a_refusal_by_an_older_database_is_told_and_counted_as_a_rewind() -> None:
    node = working("a")
    node.receive(0, recorded(node.tokens["a"], 1))
    node.written()
    node.tell(events.Refused())
    node.tell(events.WorkerGone(0, KILLED, []))
    node.tell(events.Parked(["a"], is_rewound=True))
    assert not node.wants(events.Register)
    assert any("the database lost" in action.message for action in node.wants(events.Log))
    assert node.dispatcher._registration.rewound_count == 1
    node.tick(TTL)
    (park,) = node.wants(events.Park)
    assert not park.is_refused
    node.tell(events.Parked([], elsewhere=["b"], gone=["c", "d"]))
    assert any("2 executions" in action.message and "`c`" in action.message for action in node.wants(events.Log))
    assert any("`b` runs on another node" in action.message for action in node.wants(events.Log))
    assert node.wants(events.Register)


def test_r19_a_session_that_went_back_is_a_rewind() -> None:
    node = working("a")
    reconnect(node)
    node.tell(events.Resynced([Owned("a", 1, 0)], 1, [], is_behind=True))
    assert has_begun_anew(node)


def test_r19_a_commit_refused_by_a_database_that_lets_the_node_write_is_asked_about() -> None:
    """Nobody but its owner ends a claim (R10), so either the database went back or somebody meddled with it."""
    for rows, is_rewound in (([("a", 1, 0)], True), ([("a", 1, 1)], False)):
        node = working("a")
        node.receive(0, recorded(node.tokens["a"], 1))
        node.written()
        node.receive(0, recorded(node.tokens["a"], 2))
        node.written(CommitAnswer.REFUSED)
        assert node.dispatcher.owned_count == 1
        assert node.wants(events.SendResync)
        resynced(node, *rows)
        assert has_begun_anew(node) is is_rewound
        assert node.dispatcher.owned_count == 0, "either way it does not go on here"


def test_r19_a_last_claim_that_is_anothers_in_this_history_is_a_rewind() -> None:
    """Another node has done all of it again, as far as this one had come."""
    node = working("a")
    node.receive(0, ended(node.tokens["a"], Ending.SLEEPING, record(1)))
    node.written()
    reconnect(node)
    resynced(node, found=[Reached("a", 1, 1, False, other_epochs=frozenset({1}))])
    assert has_begun_anew(node)


def test_r19_what_a_registration_that_fails_leaves_is_parked_again_first() -> None:
    """It may have met another server than the parking did."""
    node = working("a")
    node.receive(0, recorded(node.tokens["a"], 1))
    node.written()
    node.tell(events.Refused())
    node.tell(events.WorkerGone(0, KILLED, []))
    node.tell(events.Parked([]))
    assert node.wants(events.Register)
    node.tell(events.RegisterFailed("another connection"))
    node.tick(SECOND)
    (park,) = node.wants(events.Park)
    assert park.advanced == [Advanced("a", 1, 1)]
    node.tell(events.Parked([]))
    assert node.wants(events.Register)


def test_r19_what_the_store_thread_parked_itself_is_no_rewind() -> None:
    node = working("a")
    node.receive(0, recorded(node.tokens["a"], 1))
    assert node.commit is not None
    node.tell(events.CommitDone(node.commit.batch, [False], given_up=frozenset({"a"})))
    assert not node.wants(events.SendResync)
    assert node.dispatcher.owned_count == 0


def test_r19_a_beat_counted_twice_asks_for_the_proof_even_on_an_old_connection() -> None:
    """A pooler may have changed the server behind it."""
    node = working()
    node.tick(3 * SECOND)
    while node.asked:
        node.run()
    node.tell(events.Beaten(node.now, Beat(0, [], counter=1)))
    assert node.wants(events.SendResync)


def test_r19_where_nothing_is_kept_no_proof_is_asked_for() -> None:
    node = Driver().join().run("a")
    node.receive(0, ended(node.tokens["a"], Ending.COMPLETED, record(1)))
    node.written()
    node.forget()
    assert [action.ids for action in node.wants(events.SendResync)] == [[]]
    node.resynced()
    assert not node.wants(events.Renew)
    node.tell(events.Refused())
    assert not node.wants(events.Park)


def test_r19_only_the_latest_ends_are_kept() -> None:
    acknowledged = Acknowledged(is_kept=True)
    for batch in range(2 * MAX_ENDS // 1000):
        pairs = []
        for number in range(1000):
            owned = OwnedExecution(claimed(f"{batch}-{number}"), 4, 0)
            pairs.append((owned, ExecutionCommit(owned.id, 1, [record(1)], End(Ending.COMPLETED))))
        acknowledged.ended(pairs)
    assert len(acknowledged.advanced([])) == MAX_ENDS
    assert acknowledged.questions([]) == [f"{2 * MAX_ENDS // 1000 - 1}-999"]
    assert acknowledged.forgotten_count == MAX_ENDS


@pytest.mark.parametrize("count", [0, 7])
def test_r19_a_rewind_tells_how_many_ends_it_cannot_be_held_against(count: int) -> None:
    node = working("a")
    node.dispatcher._registration.acknowledged.forgotten_count = count
    reconnect(node)
    resynced(node)
    messages = [action.message for action in node.wants(events.Log)]
    assert any("the database lost" in message for message in messages)
    assert any(f"whether {count} others " in message for message in messages) == bool(count)


def test_r19_an_acknowledged_record_is_durable_once() -> None:
    node = working("a")
    node.receive(0, recorded(node.tokens["a"], 1))
    node.written()
    assert node.sent(Durable)
    reconnect(node)
    resynced(node, ("a", 1, 1))
    assert not node.sent(Durable)
