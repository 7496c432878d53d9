"""Registration, heartbeats, refusal: when a node may act, and when it must not."""

from __future__ import annotations

from hydra.dispatch import events
from hydra.execution import Message
from hydra.frames import Deliver, Halt, Listening
from hydra.stores.node_states import Attention, Beat

from tests.dispatch.driver import MS, SECOND, TTL, Driver, claimed, ended, recorded


def test_the_first_tick_registers_and_registering_starts_the_workers() -> None:
    node = Driver(slots=3)
    assert [type(action) for action in node.tick()] == [events.Register]
    node.registered()
    assert [action.slot for action in node.wants(events.SpawnWorker)] == [0, 1, 2]


def test_registration_is_repeated_with_a_growing_pause_while_the_database_is_away() -> None:
    node = Driver()
    node.tick()
    pauses = []
    for _ in range(8):
        node.tell(events.RegisterFailed("down"))
        [wake] = node.wants(events.WakeAt)
        pauses.append((wake.at_ns - node.now) // MS)
        assert not node.wants(events.Register)
        node.tick(wake.at_ns - node.now)
        assert node.wants(events.Register)
    assert max(pauses[:4]) <= 25
    for pause, longest in zip(pauses[4:], [100, 200, 400, 800], strict=True):
        assert longest // 2 <= pause <= longest


def test_r17_what_a_beat_brings_does_not_come_with_the_dispatch_that_has_not_left_yet() -> None:
    node = Driver().join().run("a")
    message = Message("m", "a", "word", b"", 0)
    node.receive(0, Listening(node.tokens["a"]))
    for _ in range(2):  # each beat brings what is not consumed
        node.tell(events.Beaten(node.now, Beat(1, [], [message])))
        assert [frame.messages for frame in node.sent(Deliver)] in ([[message]], [])
    assert node.runs["a"].messages == []
    node.die(0, "a")
    node.written()
    node.start(0)
    assert node.runs["a"].messages == [message]


def test_an_outage_is_logged_once() -> None:
    node = Driver()
    node.tick()
    logs = []
    for _ in range(8):
        node.tell(events.RegisterFailed("down"))
        logs += [log.message for log in node.wants(events.Log)]
        node.tick(2 * SECOND)
    assert logs == [
        "cannot register with the database: down",
        "the commit circuit is open, and nothing new is claimed: 5 of the last 5 calls failed",
    ]


def test_r5_the_deadline_counts_from_before_the_beat_was_sent_and_leaves_a_margin() -> None:
    node = Driver().join()
    sent_ns = node.now
    node.now += 3 * SECOND
    node.tell(events.Beaten(sent_ns, Beat(0, [])))
    [lease] = node.wants(events.ExtendLease)
    assert lease.deadline_ns == sent_ns + TTL - TTL // 10


def test_r3_beats_come_more_often_than_a_third_of_the_ttl() -> None:
    node = Driver().join()
    began = node.now
    while not node.wants(events.SendBeat):
        node.tick(MS * 100)
    assert node.now - began < TTL // 3


def test_only_one_beat_is_under_way() -> None:
    node = Driver().join()
    node.tick(TTL // 4)
    assert node.wants(events.SendBeat)
    node.tick(TTL // 4)
    assert not node.wants(events.SendBeat)
    node.beaten()
    assert node.wants(events.SendBeat)


def test_r4_no_beat_while_the_journal_stands_still() -> None:
    node = Driver().join().run("a")
    node.receive(0, recorded(node.tokens["a"], 1))
    for _ in range(20):
        node.tick(TTL // 20)
        if node.wants(events.SendBeat):
            node.beaten(1)
    node.tick(TTL)
    assert not node.wants(events.SendBeat)
    node.written()
    assert node.wants(events.SendBeat)


def test_r4_an_idle_node_beats_on() -> None:
    node = Driver().join()
    for _ in range(5):
        node.tick(2 * TTL)
        assert node.wants(events.SendBeat)
        node.beaten()


def test_failing_beats_kill_no_worker() -> None:
    node = Driver().join().run("a")
    for _ in range(40):
        node.tick(SECOND)
        if node.wants(events.SendBeat):
            node.tell(events.BeatFailed("down"))
        assert not node.wants(events.KillWorker)


def test_r5_nothing_is_claimed_past_the_deadline() -> None:
    node = Driver().join().run()
    node.tick(2 * TTL)
    node.tell(events.WorkHint())
    assert not node.claims()
    node.beaten()
    assert node.claims() == 4


def test_r1_a_refused_node_registers_only_after_every_worker_is_gone() -> None:
    node = Driver(slots=2).join().run("a", "b")
    node.tell(events.Refused())
    assert [action.slot for action in node.wants(events.KillWorker)] == [0, 1]
    assert not node.wants(events.Register)
    node.die(0)
    assert node.kinds().isdisjoint({"Register", "SpawnWorker", "SendCommit"})
    node.die(1)
    assert node.wants(events.Register)
    node.registered()
    assert len(node.wants(events.SpawnWorker)) == 2


def test_g2_a_refused_node_writes_nothing_of_what_it_held() -> None:
    node = Driver().join().run("a", "b", "c")
    node.receive(0, recorded(node.tokens["a"], 1))
    node.receive(0, recorded(node.tokens["c"], 1))
    node.tell(events.Refused())
    node.receive(0, recorded(node.tokens["a"], 2), ended(node.tokens["b"]))
    node.die(0, "a")
    node.registered()
    node.tell(events.WorkerStarted(0))
    node.tick(SECOND)
    assert node.dispatcher.owned_count == 0
    assert not node.wants(events.SendCommit)
    node.run("new")
    node.receive(0, recorded(node.tokens["new"], 1))
    assert list(node.committed()) == ["new"]


def test_answers_to_what_a_refused_node_asked_are_ignored() -> None:
    node = Driver().join().run("a")
    node.receive(0, recorded(node.tokens["a"], 1))
    node.tell(events.Refused())
    node.die(0)
    node.registered()
    node.written()
    node.tell(events.ClaimDone([claimed("stale")]))
    assert node.dispatcher.owned_count == 0


def test_r16_a_different_count_in_the_database_leads_to_a_resync() -> None:
    node = Driver().join().run("a")
    node.beaten(2)
    assert node.wants(events.SendResync)


def test_r16_a_resync_waits_for_what_is_under_way_and_holds_back_the_rest() -> None:
    node = Driver().join().run("a")
    node.receive(0, recorded(node.tokens["a"], 1))
    node.beaten(2)
    assert not node.wants(events.SendResync)
    node.receive(0, recorded(node.tokens["a"], 2))
    node.written()
    assert node.wants(events.SendResync)
    assert not node.wants(events.SendCommit)
    node.resynced(("a", 1, 1))
    assert node.committed()["a"].records[0].seq == 2


def test_attention_halts_the_body_once_per_dispatch() -> None:
    for kind, reason in (("cancel", "cancelled"), ("timeout", "timeout")):
        node = Driver().join().run("a")
        node.beaten(1, Attention("a", 1, kind))
        assert node.sent(Halt) == [Halt(node.tokens["a"], reason)]
        node.beaten(1, Attention("a", 1, kind))
        assert not node.sent(Halt)
        node.die(0)
        node.written()
        node.tell(events.WorkerStarted(0))
        assert node.sent(Halt) == [Halt(node.tokens["a"], reason)]


def test_attention_for_another_epoch_or_execution_halts_nothing() -> None:
    node = Driver().join().run("a")
    node.beaten(1, Attention("a", 2, "cancel"), Attention("b", 1, "cancel"))
    assert not node.sent(Halt)


def up(node: Driver) -> list[int]:
    """The workers that were being started say hello."""
    slots = sorted(node.starting)
    for slot in slots:
        node.tell(events.WorkerStarted(slot))
    node.starting.clear()
    return slots


def test_a_second_reload_within_the_drain_of_the_first_leaves_no_gap() -> None:
    node = Driver(slots=2).join().run("a", "b")
    generations = [{node.slots["a"], node.slots["b"]}]
    for _ in range(2):
        node.tell(events.Reload([]))
        assert not node.wants(events.KillWorker), "they end in peace"
        generations.append(set(up(node)))
    assert sorted(slot for slots in generations for slot in slots) == list(range(6))


def test_reloads_beyond_the_generations_that_may_live_wait_for_an_end() -> None:
    node = Driver(slots=1).join().run("a")
    for slot in range(1, 4):
        node.tell(events.Reload([]))
        assert up(node) == [slot]
    node.tell(events.Reload([]))
    assert not node.starting
    node.die(1)
    assert up(node) == [1]
