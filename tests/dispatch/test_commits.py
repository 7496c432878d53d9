"""Group commit, order, acknowledgement, and what becomes of a batch whose reply is lost."""

from __future__ import annotations

import msgspec
from hydra.codec import decode
from hydra.dispatch import events
from hydra.dispatch.outbox import MAX_BATCH_BYTES
from hydra.dispatch.owned import MAX_NEW_BYTES
from hydra.execution import CommitAnswer, End, Ending
from hydra.frames import Durable, Ended, Halt, Recorded, Run

from tests.dispatch.driver import MS, SECOND, Driver, claimed, ended, record, recorded


def working(*ids: str, slots: int = 1) -> Driver:
    """These executions run, no claim is under way."""
    node = Driver(slots=slots, concurrency=max(4, len(ids))).join().run(*ids)
    if node.claims():
        node.run()
    return node


def seqs(node: Driver, id: str) -> list[int]:
    return [item.seq for item in node.committed()[id].records]


def test_what_arrives_during_a_commit_forms_the_next_one() -> None:
    node = working("a", "b", "c")
    node.receive(0, recorded(node.tokens["a"], 1))
    assert list(node.committed()) == ["a"]
    for id in "bc":
        node.receive(0, recorded(node.tokens[id], 1))
        assert not node.wants(events.SendCommit)
    node.receive(0, recorded(node.tokens["b"], 2))
    node.written()
    assert list(node.committed()) == ["b", "c"]
    assert seqs(node, "b") == [1, 2]


def test_r11_a_commit_waits_for_a_claim_that_is_under_way() -> None:
    node = Driver().join().run("a")
    node.tell(events.WorkHint())
    node.tick(MS)
    assert node.asked
    node.receive(0, recorded(node.tokens["a"], 1))
    assert node.commit is None
    node.run()
    assert list(node.committed()) == ["a"]


def test_r11_an_end_rides_with_every_earlier_record_of_its_execution() -> None:
    node = working("a", "b")
    node.receive(0, recorded(node.tokens["b"], 1))
    node.receive(0, recorded(node.tokens["a"], 1), recorded(node.tokens["a"], 2))
    node.receive(0, ended(node.tokens["a"], Ending.COMPLETED, record(3)))
    node.written()
    assert seqs(node, "a") == [1, 2, 3]
    assert node.committed()["a"].end.kind == Ending.COMPLETED


def test_a_batch_holds_at_most_1000_rows() -> None:
    ids = [f"e{number}" for number in range(600)]
    node = working(*ids)
    node.receive(0, *[recorded(node.tokens[id], 1, 2) for id in ids])
    sizes = []
    while node.commit is not None:
        sizes.append(sum(len(commit.records) + 1 for commit in node.commit.commits))
        node.written()
    assert sizes == [999, 801]


def test_a_batch_holds_at_most_a_mebibyte() -> None:
    node = working("a", "b", "c", "d")
    for id in "abcd":
        frame = recorded(node.tokens[id])
        frame.records.append(record(1, payload=bytes(400_000)))
        node.receive(0, frame)
    batches = []
    while node.commit is not None:
        batches.append(list(node.committed()))
        node.written()
    assert batches == [["a"], ["b", "c"], ["d"]]


def test_r11_a_batch_splits_only_between_executions() -> None:
    node = working("a", "b")
    node.receive(0, recorded(node.tokens["b"], 1))
    node.receive(0, recorded(node.tokens["a"], *range(1, 1501)), recorded(node.tokens["b"], 2))
    node.written()
    assert list(node.committed()) == ["a"]
    assert len(node.committed()["a"].records) == 1500
    node.written()
    assert seqs(node, "b") == [2]


def test_g5_workers_learn_what_is_durable_in_one_frame_each() -> None:
    node = working("a", "b", "c", "d", slots=2)
    for slot in range(2):
        node.receive(slot, *[recorded(node.tokens[id], 1, 2) for id in "abcd" if node.slots[id] == slot])
    assert not node.sent(Durable)
    node.written()
    node.written()
    frames = node.sent(Durable)
    assert [frame.seqs for frame in frames] == [[2, 2]]


def test_an_ended_execution_is_held_until_its_end_is_durable() -> None:
    node = working("a")
    node.receive(0, ended(node.tokens["a"]))
    assert node.dispatcher.owned_count == 1
    node.written()
    assert node.dispatcher.owned_count == 0


def test_frames_of_a_dispatch_that_is_over_are_dropped() -> None:
    node = working("a")
    token = node.tokens["a"]
    node.receive(0, ended(token))
    node.written()
    node.receive(0, recorded(token, 2), recorded(999, 1))
    assert not node.wants(events.SendCommit)


def test_g2_an_execution_that_is_not_ours_any_more_is_halted_and_forgotten() -> None:
    node = working("a", "b")
    node.receive(0, recorded(node.tokens["a"], 1), recorded(node.tokens["b"], 1))
    node.receive(0, recorded(node.tokens["a"], 2))
    node.written(CommitAnswer.REFUSED, CommitAnswer.WRITTEN)
    assert node.sent(Halt) == [Halt(node.tokens["a"], "lost")]
    assert node.sent(Durable) == [Durable([node.tokens["b"]], [1])]
    assert not node.wants(events.SendCommit), "nothing of it is written any more"
    assert node.dispatcher.owned_count == 1


def test_a_failed_commit_is_repeated_with_a_growing_pause_until_it_is_written() -> None:
    node = working("a")
    node.receive(0, recorded(node.tokens["a"], 1))
    pauses = []
    for _ in range(8):
        failed_at = node.now
        node.fail()
        while node.commit is None:
            node.tick(MS)
            if node.wants(events.SendBeat):
                node.beaten()
        pauses.append((node.now - failed_at) // MS)
        assert seqs(node, "a") == [1]
    assert max(pauses[:3]) <= 26
    for pause, longest in zip(pauses[3:], [100, 200, 400, 800, 1600], strict=True):
        assert longest // 2 <= pause <= longest + 1, "the circuit is open; chance takes up to half of a pause away"
    node.written()
    assert node.sent(Durable)


def test_what_arrives_while_a_commit_fails_joins_it_in_order() -> None:
    node = working("a", "b")
    node.receive(0, recorded(node.tokens["a"], 1))
    node.receive(0, recorded(node.tokens["b"], 1), ended(node.tokens["a"], Ending.COMPLETED, record(2)))
    node.fail()
    node.tick(20 * MS)
    batches = [node.committed()]
    node.written()
    batches.append(node.committed())
    merged = {id: [item.seq for item in commit.records] for batch in batches for id, commit in batch.items()}
    assert merged == {"a": [1, 2], "b": [1]}


def test_r11_a_failing_batch_is_halved_until_the_rest_passes() -> None:
    node = working("a", "b", "c", "d")
    node.receive(0, *[recorded(node.tokens[id], 1) for id in "abcd"])
    written: list[str] = []
    for _ in range(20):
        if "a" in node.committed():  # nothing with this one in it can be written
            node.fail()
            node.tick(2 * SECOND)
        else:
            written += node.committed()
            node.written()
        if node.commit is None:
            node.tick(2 * SECOND)
    assert sorted(written) == ["b", "c", "d"]


def test_r16_after_a_lost_reply_nothing_is_written_before_a_resync() -> None:
    node = working("a", "b")
    node.receive(0, recorded(node.tokens["a"], 1))
    node.forget()
    assert node.wants(events.SendResync)
    node.receive(0, recorded(node.tokens["b"], 1))
    node.tick(SECOND)
    assert node.commit is None
    node.resynced(("a", 1, 0), ("b", 1, 0))
    assert list(node.committed()) == ["a", "b"]


def test_r16_a_resync_is_repeated_until_it_succeeds() -> None:
    node = working("a")
    node.forget()
    for _ in range(3):
        node.tell(events.ResyncFailed("down"))
        assert not node.wants(events.SendResync)
        node.tick(SECOND)
        assert node.wants(events.SendResync)


def test_r16_records_found_written_are_acknowledged_and_the_rest_is_sent_again() -> None:
    node = working("a")
    node.receive(0, recorded(node.tokens["a"], 1, 2, 3))
    node.forget()
    node.receive(0, recorded(node.tokens["a"], 4))
    node.resynced(("a", 1, 2))
    assert node.sent(Durable) == [Durable([node.tokens["a"]], [2])]
    assert seqs(node, "a") == [3, 4]


def test_r16_an_end_is_written_when_the_database_does_not_know_the_execution_as_ours() -> None:
    node = working("a", "b")
    node.receive(0, ended(node.tokens["a"], Ending.SLEEPING), ended(node.tokens["b"], Ending.COMPLETED))
    node.forget()
    node.resynced(("b", 1, 0))
    assert list(node.committed()) == ["b"]
    assert node.dispatcher.owned_count == 1
    assert not node.sent(Halt)


def test_r16_a_crash_found_written_is_dispatched_under_the_next_epoch() -> None:
    node = working("a")
    node.die(0, "a")
    node.tell(events.WorkerStarted(0))
    node.forget()
    assert not node.sent(Run)
    node.resynced(("a", 2, 1))
    assert node.runs["a"].epoch == 2
    assert [item.kind for item in node.runs["a"].records] == ["crash"]


def test_r16_a_crash_found_unwritten_is_sent_again() -> None:
    node = working("a")
    node.die(0, "a")
    node.forget()
    node.resynced(("a", 1, 0))
    assert node.committed()["a"].end.kind == Ending.CRASHED
    assert seqs(node, "a") == [1]


def test_r16_executions_of_a_claim_whose_reply_was_lost_are_read_back_and_run() -> None:
    node = Driver().join()
    node.forget()
    node.resynced(("a", 3, 2))
    assert [action.ids for action in node.wants(events.Recover)] == [["a"]]
    assert not node.wants(events.SendClaim)
    node.tell(events.Recovered([claimed("a", epoch=3, records=2)]))
    assert node.runs["a"].epoch == 3
    assert node.claims() == 3


def test_r16_what_one_answer_does_not_bring_is_read_back_in_the_next_round() -> None:
    node = Driver().join()
    node.forget()
    node.resynced(("a", 3, 2), ("b", 4, 0))
    assert [action.ids for action in node.wants(events.Recover)] == [["a", "b"]]
    node.tell(events.Recovered([claimed("a", epoch=3, records=2)], True))
    assert not node.wants(events.SendClaim), "nothing new is taken before all is known"
    node.tick(SECOND)
    node.resynced(("a", 3, 2), ("b", 4, 0))
    assert [action.ids for action in node.wants(events.Recover)][-1] == ["b"]
    node.tell(events.Recovered([claimed("b", epoch=4)]))
    assert (node.runs["a"].epoch, node.runs["b"].epoch) == (3, 4)
    assert node.dispatcher.owned_count == 2


def test_g7_what_cannot_be_read_back_is_parked_with_its_damage() -> None:
    node = Driver().join()
    node.forget()
    node.resynced(("a", 3, 2), ("b", 4, 0))
    unreadable = msgspec.structs.replace(claimed("a", epoch=3), unreadable="a name is no text")
    node.tell(events.Recovered([unreadable, claimed("b", epoch=4)]))
    end = node.committed()["a"].end
    assert end.kind == Ending.PARKED and "a name is no text" in decode(end.payload)
    assert node.runs["b"].epoch == 4


def test_r16_a_recovery_that_fails_begins_with_a_resync_again() -> None:
    node = Driver().join()
    node.forget()
    node.resynced(("a", 3, 2))
    node.tell(events.ResyncFailed("down"))
    node.tick(SECOND)
    assert node.wants(events.SendResync)


def test_r16_an_execution_that_ended_and_was_claimed_again_in_one_lost_reply_is_read_back() -> None:
    node = working("a")
    node.receive(0, ended(node.tokens["a"], Ending.RETRY))
    node.forget()
    node.resynced(("a", 2, 0))
    assert [action.ids for action in node.wants(events.Recover)] == [["a"]]


def test_r16_what_the_database_does_not_know_as_ours_is_halted() -> None:
    node = working("a", "b")
    node.forget()
    node.resynced(("b", 1, 0))
    assert node.sent(Halt) == [Halt(node.tokens["a"], "lost")]
    assert node.dispatcher.owned_count == 1


def test_r16_what_the_database_knows_at_another_epoch_is_halted_and_read_back() -> None:
    node = working("a")
    node.forget()
    node.resynced(("a", 5, 0))
    assert node.sent(Halt) == [Halt(node.tokens["a"], "lost")]
    assert [action.ids for action in node.wants(events.Recover)] == [["a"]]


def test_beats_go_on_after_a_reply_to_one_was_lost() -> None:
    node = working()
    node.tick(3 * SECOND)
    assert node.wants(events.SendBeat)
    node.forget()
    node.resynced()
    node.tick(3 * SECOND)
    assert node.wants(events.SendBeat)


def test_r11_what_one_execution_recorded_is_cut_by_bytes_and_its_end_comes_last() -> None:
    node = working("a", "b")
    large = [record(seq, payload=b"x" * (MAX_BATCH_BYTES // 2)) for seq in (1, 2, 3)]
    node.receive(0, Recorded(node.tokens["b"], [record(1)]))
    node.receive(0, Ended(node.tokens["a"], large, End(Ending.COMPLETED, b"y" * MAX_BATCH_BYTES)))
    node.receive(0, Recorded(node.tokens["b"], [record(2)]))
    batches = []
    for _ in range(5):
        assert node.commit is not None
        batches.append([(each.id, [r.seq for r in each.records], each.end is not None) for each in node.commit.commits])
        node.written()
    assert batches == [
        [("b", [1], False)],
        [("a", [1, 2], False)],
        [("b", [2], False)],
        [("a", [3], False)],
        [("a", [], True)],
    ]


def test_r11_a_part_that_failed_is_put_together_with_the_rest_again() -> None:
    node = working("a")
    large = [record(seq, payload=b"x" * MAX_BATCH_BYTES) for seq in (1, 2)]
    node.receive(0, Ended(node.tokens["a"], large, End(Ending.COMPLETED)))
    assert (seqs(node, "a"), node.committed()["a"].end) == ([1], None)
    node.fail()
    node.tick(SECOND)
    assert (seqs(node, "a"), node.committed()["a"].end) == ([1], None)
    node.written()
    assert (seqs(node, "a"), node.committed()["a"].end) == ([2], End(Ending.COMPLETED))


def test_r14_a_commit_that_is_cut_after_it_failed_says_nothing_of_an_expiry_that_it_has_no_more() -> None:
    """Where the store had put an event in its place, in a transaction that was rolled back."""
    node = working("a")
    node.receive(0, Recorded(node.tokens["a"], [record(1), record(2, "expiry")]))
    node.committed()["a"].arrived = [record(2, "event")]
    node.fail()
    node.receive(0, Ended(node.tokens["a"], [], End(Ending.COMPLETED, b"y" * (MAX_BATCH_BYTES + 1))))
    node.tick(SECOND)
    for seq in (1, 2):
        assert (seqs(node, "a"), node.committed()["a"].arrived) == ([seq], ())
        node.written()


def test_an_execution_that_recorded_very_much_is_read_back_after_a_death() -> None:
    """The supervisor does not keep it in memory for another dispatch."""
    node = working("a", "b")
    for id, size in (("a", MAX_NEW_BYTES + 1), ("b", 1)):
        node.receive(0, Recorded(node.tokens[id], [record(1, payload=b"x" * size)]))
        node.written()
    node.die(0, "a", "b")
    ends = {id: each.end and each.end.kind for id, each in node.committed().items()}
    assert ends == {"a": Ending.RELEASED, "b": Ending.CRASHED}
    assert [each.kind for each in node.committed()["a"].records] == ["crash"]


def test_a_cancel_that_a_commit_tells_of_reaches_the_body_ahead_of_its_next_step() -> None:
    node = working("a", "b")
    node.receive(0, recorded(node.tokens["a"], 1), recorded(node.tokens["b"], 1))
    node.written(CommitAnswer.CANCELLING, CommitAnswer.WRITTEN)
    assert [frame for action in node.wants(events.ToSlot) for frame in action.frames] == [
        Halt(node.tokens["a"], "cancelled"),
        Durable([node.tokens["a"], node.tokens["b"]], [1, 1]),
    ]


def test_an_end_that_a_cancel_overruled_is_no_end_that_a_database_could_forget() -> None:
    node = Driver(can_rewind=True).join().run("a")
    node.receive(0, ended(node.tokens["a"], Ending.COMPLETED, record(1)))
    node.written(CommitAnswer.CANCELLING)
    ends = node.dispatcher._registration.acknowledged._ended
    assert list(ends) == [[("a", 1, 1)]], "its record, and not one more for a final end"
