"""A node before a database that fails or is slow: what is owned goes on, nothing new is claimed, and it all closes."""

from __future__ import annotations

from hydra.circuit_breaker import CircuitState
from hydra.dispatch import events
from hydra.execution import CommitAnswer
from hydra.stores.node_states import Beat

from tests.dispatch.driver import MS, SECOND, TTL, Driver, ended, recorded

CLOSED, HALF_OPEN, OPEN = CircuitState.CLOSED, CircuitState.HALF_OPEN, CircuitState.OPEN


class Node(Driver):
    """Remembers all that it asked for, and what of it is not answered."""

    def __init__(self) -> None:
        self.all: list[events.Action] = []
        self.is_beating = False
        super().__init__(concurrency=16)

    def tell(self, event: events.Event) -> list[events.Action]:
        super().tell(event)
        self.all += self.actions
        self.is_beating |= bool(self.wants(events.SendBeat))
        return self.actions

    def state(self, name: str) -> CircuitState:
        [found] = [each for each in self.dispatcher.standing().circuits if each.circuit == name and not each.worker]
        return found.state

    def answer(self, *, beats: bool = True, claims: bool = True) -> None:
        """Everything that is asked, and what is asked upon that; or the database fails it."""
        while self.is_asking:
            self.answer_once(beats=beats, claims=claims)

    @property
    def is_asking(self) -> bool:
        return bool(self.commit or self.asked or self.is_beating)

    def answer_once(self, *, beats: bool = True, claims: bool = True) -> None:
        commit, self.commit = self.commit, None
        was_asked, self.asked = self.asked, 0
        was_beating, self.is_beating = self.is_beating, False
        if commit is not None:
            self.tell(events.CommitDone(commit.batch, [CommitAnswer.WRITTEN] * len(commit.commits)))
        if was_asked:
            self.tell(events.ClaimDone([]) if claims else events.ClaimFailed("down"))
        if was_beating:
            beaten = events.Beaten(self.now, Beat(self.dispatcher.owned_count, []))
            self.tell(beaten if beats else events.BeatFailed("down"))

    def pass_time(self, seconds: float, *, beats: bool = True, claims: bool = True) -> list[events.Action]:
        """All that is asked meanwhile."""
        end, known = self.now + int(seconds * SECOND), len(self.all)
        while self.now < end:
            self.answer(beats=beats, claims=claims)
            self.tick(10 * MS)
        self.answer(beats=beats, claims=claims)
        return self.all[known:]


def working(*ids: str) -> Node:
    node = Node()
    node.join()
    node.run(*ids)
    return node


def commit_slowly(node: Node, seqs: range) -> None:
    for seq in seqs:
        node.receive(0, recorded(node.tokens["a"], seq))
        node.now += 1200 * MS
        node.answer()


def count(actions: list[events.Action], kind: type[events.Action]) -> int:
    return sum(isinstance(action, kind) for action in actions)


def test_b1_slow_commits_open_their_circuit_and_are_sent_on_without_a_pause() -> None:
    node = working("a")
    commit_slowly(node, range(1, 6))
    for seq in range(6, 12):
        assert node.state("commit") is OPEN
        node.receive(0, recorded(node.tokens["a"], seq))
        assert node.wants(events.SendCommit), "what is owned is written as fast as the database takes it"
        node.now += 1200 * MS
        node.answer()
    for seq in (12, 13):
        node.receive(0, recorded(node.tokens["a"], seq))
        node.answer()
    assert node.state("commit") is CLOSED


def test_g8_a_database_that_is_always_slow_still_gets_its_work_done() -> None:
    node = working("a")
    commit_slowly(node, range(1, 6))
    sizes = []
    for _ in range(300):
        node.tick(100 * MS)
        if node.is_asking:
            sizes += [node.asked] if node.asked else []
            node.now += 1500 * MS
            node.answer_once()
    assert CLOSED not in (node.state("claim"), node.state("heartbeat"))
    assert len(sizes) >= 8
    assert 1 < min(sizes) <= 4, "fewer than it has places for, and not one by one"


def test_b1_with_nothing_to_write_beats_find_out_that_commits_work_again() -> None:
    node = working("a")
    commit_slowly(node, range(1, 6))
    node.receive(0, ended(node.tokens["a"]))
    node.now += 2 * SECOND
    node.answer()
    assert node.state("commit") is OPEN
    asked = node.pass_time(3)
    assert node.state("commit") is CLOSED
    assert count(asked, events.SendClaim), "an idle node does not stay shut"


def test_b1_failing_claims_open_their_own_circuit_and_no_other() -> None:
    node = working("a")
    asked = node.pass_time(20, claims=False)
    assert (node.state("claim"), node.state("commit"), node.state("heartbeat")) == (OPEN, CLOSED, CLOSED)
    assert 8 <= count(asked, events.SendClaim) <= 40, "claims come seldom"
    assert all(action.slots == 1 for action in asked[len(asked) // 2 :] if isinstance(action, events.SendClaim))
    assert count(asked, events.SendBeat) >= 9
    asked = node.pass_time(4)
    assert node.state("claim") is CLOSED
    assert max(action.slots for action in asked if isinstance(action, events.SendClaim)) == 15


def test_b1_while_claims_fail_no_commit_is_in_their_transaction_and_neither_starves() -> None:
    node = working("a")
    node.tell(events.WorkHint())
    node.tell(events.ClaimFailed("down"))
    node.asked = 0
    kinds = []
    for seq in range(1, 40):
        node.receive(0, recorded(node.tokens["a"], seq))
        while node.commit is None:
            node.tick(10 * MS)
            assert not (node.wants(events.SendClaim) and node.wants(events.SendCommit))
            if node.asked:
                kinds.append("claim")
                node.asked = 0
                node.tell(events.ClaimFailed("down"))
        kinds.append("commit")
        commit, node.commit = node.commit, None
        node.now += 50 * MS
        node.tell(events.CommitDone(commit.batch, [True] * len(commit.commits)))
        if node.wants(events.SendClaim):
            kinds.append("claim")
            node.asked = 0
            node.tell(events.ClaimFailed("down"))
    assert kinds.count("commit") == 39
    assert 6 <= kinds.count("claim") < 39
    assert node.state("commit") is CLOSED


def test_b1_failing_beats_stop_claims_and_are_sent_on() -> None:
    node = working("a")
    node.pass_time(3)
    node.pass_time(3, beats=False)
    assert node.state("heartbeat") in (OPEN, HALF_OPEN)
    asked = node.pass_time(4, beats=False)
    assert 2 <= count(asked, events.SendBeat) < 100
    assert not count(asked, events.SendClaim), "and the lease has not run out"
    node.pass_time(TTL / 5 / SECOND)
    assert node.state("heartbeat") is CLOSED
    assert count(node.pass_time(3), events.SendClaim)


def test_b1_an_outage_with_lost_replies_is_probed_with_pauses_and_ends_in_claims() -> None:
    node = working("a")
    node.receive(0, recorded(node.tokens["a"], 1))
    node.forget()
    resyncs = 0
    for _ in range(1000):
        if node.wants(events.SendResync):
            resyncs += 1
            node.tell(events.ResyncFailed("down"))
        node.tick(10 * MS)
    assert 8 <= resyncs <= 25
    assert node.state("commit") is OPEN
    while not node.wants(events.SendResync):
        node.tick(10 * MS)
    node.is_beating = False
    known = len(node.all)
    node.resynced(("a", 1, 0))
    node.pass_time(2)
    asked = node.all[known:]
    assert node.state("commit") is CLOSED
    assert count(asked, events.SendClaim)


def test_b1_a_node_without_a_registration_says_why() -> None:
    node = Driver()
    node.tick()
    for _ in range(8):
        node.tell(events.RegisterFailed("down"))
        node.tick(2 * SECOND)
    [commit] = [each for each in node.dispatcher.standing().circuits if each.circuit == "commit"]
    assert (commit.state, commit.reason) == (HALF_OPEN, "the last probe failed")
    assert commit.transitions[OPEN] == 4


def test_a_beat_says_which_circuits_are_not_closed_and_why() -> None:
    node = Node()
    node.join()
    node.pass_time(10)
    beats = [action for action in node.all if isinstance(action, events.SendBeat)]
    assert beats and not any(beat.circuits for beat in beats)
    node.pass_time(20, claims=False)
    beats = [action for action in node.all if isinstance(action, events.SendBeat)]
    assert list(beats[-1].circuits) == ["claim"]
    assert "calls failed" in beats[-1].circuits["claim"] or "probe failed" in beats[-1].circuits["claim"]
    node.pass_time(60)
    beats = [action for action in node.all if isinstance(action, events.SendBeat)]
    assert not beats[-1].circuits


def test_g7_what_is_parked_for_a_refused_value_is_no_failure_of_the_database() -> None:
    ids = [f"e{number}" for number in range(16)]
    node = working(*ids)
    for id in ids:
        if node.asked:
            node.run()
        node.receive(0, recorded(node.tokens[id], 1))
        commit, node.commit = node.commit, None
        assert commit is not None, "it is asked at once, without a pause"
        node.tell(events.CommitDone(commit.batch, [CommitAnswer.REFUSED], given_up=frozenset({id})))
        assert node.state("commit") is CLOSED
    assert node.dispatcher.owned_count == 0
