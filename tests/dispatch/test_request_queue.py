"""What a node asks its database for first, and what together, while it answers quickly and while it does not."""

from __future__ import annotations

from hydra.dispatch.events import Action, Register, SendBeat, SendClaim, SendCommit, SendResync
from hydra.node.request_queue import RESPITE_SECONDS, SLOW_PER_TTL, SLOW_TTLS, RequestQueue
from hydra.node.requests import GiveBack, Promote

from tests.dispatch.driver import SECOND, TTL

COMMIT, CLAIM, BEAT = SendCommit(1, []), SendClaim(4), SendBeat([])
SLOW = TTL // SLOW_PER_TTL + 1
QUICK = 1_000


class Database:
    """Does what is next in the queue, one thing after another, each as long as it is told."""

    def __init__(self) -> None:
        self.request_queue = RequestQueue(TTL)
        self.now = 1000 * SECOND

    def ask(self, *actions: Action) -> None:
        self.request_queue.ask(actions)

    def do(self, takes: int) -> list[Action]:
        actions = self.request_queue.next(self.now)
        if actions:
            began_ns = self.now
            self.now += takes
            self.request_queue.ended(actions, began_ns, self.now)
        return actions

    def grow_slow(self) -> None:
        """A beat that took long."""
        self.ask(BEAT)
        assert self.do(SLOW) == [BEAT]


def test_what_is_asked_of_a_quick_database_goes_together_and_in_order() -> None:
    database = Database()
    database.ask(BEAT, CLAIM, COMMIT, SendResync(), BEAT)
    assert database.do(QUICK) == [COMMIT, CLAIM, BEAT]
    assert database.do(QUICK) == [SendResync()]
    assert database.do(QUICK) == [BEAT]
    assert database.do(QUICK) == []


def test_chores_take_turns_with_what_is_asked() -> None:
    database = Database()
    database.ask(Promote(), GiveBack(), Promote(), CLAIM)
    assert database.do(QUICK) == [CLAIM]  # what is ready waits for no chore that was asked with it
    database.ask(COMMIT)
    assert database.do(QUICK) == [Promote()]
    assert database.do(QUICK) == [COMMIT]
    database.ask(COMMIT)
    assert database.do(QUICK) == [GiveBack()]
    assert database.do(QUICK) == [COMMIT]
    assert database.request_queue.wait_seconds(has_done=False) is None, "nothing is left"


def test_only_maintenance_waits_a_moment_behind_what_was_done() -> None:
    database = Database()
    assert database.request_queue.wait_seconds(has_done=True) == 0, "whoever has done something looks once more"
    database.ask(Promote())
    assert database.request_queue.wait_seconds(has_done=True) == RESPITE_SECONDS
    assert database.request_queue.wait_seconds(has_done=False) == database.request_queue.patience_ns / 1e9
    database.ask(COMMIT)
    assert database.request_queue.wait_seconds(has_done=True) == 0


def test_on_a_slow_database_the_next_beat_goes_first_and_alone() -> None:
    database = Database()
    database.ask(COMMIT)
    database.do(SLOW)
    database.ask(COMMIT, CLAIM, BEAT)
    assert database.do(SLOW) == [BEAT]


def test_on_a_slow_database_one_other_thing_follows_each_beat() -> None:
    database = Database()
    database.grow_slow()
    database.ask(COMMIT, CLAIM, BEAT, Promote())
    done = []
    while actions := database.do(SLOW):
        done += actions
        if actions != [BEAT]:
            database.ask(BEAT)
    assert done[:7] == [COMMIT, BEAT, Promote(), BEAT, CLAIM, BEAT, BEAT]


def test_no_chore_begins_on_a_slow_database_while_a_beat_is_due() -> None:
    database = Database()
    database.grow_slow()
    database.ask(COMMIT, Promote(), GiveBack())
    assert database.do(SLOW) == [COMMIT]
    database.now += TTL
    assert database.do(SLOW) == []
    database.ask(BEAT)
    assert database.do(SLOW) == [BEAT]
    assert database.do(SLOW) == [Promote()]
    database.now += TTL
    assert database.do(SLOW) == []
    database.ask(BEAT)
    assert database.do(SLOW) == [BEAT]
    assert database.do(SLOW) == [GiveBack()]


def test_a_beat_that_is_due_but_not_asked_for_is_waited_for_a_little_and_no_longer() -> None:
    database = Database()
    database.grow_slow()
    database.ask(COMMIT, CLAIM)
    assert database.do(TTL // 2) == [COMMIT]
    assert database.do(SLOW) == []
    database.now += database.request_queue.patience_ns
    assert database.do(SLOW) == [CLAIM]


def test_a_node_that_is_not_registered_waits_for_no_beat() -> None:
    database = Database()
    database.grow_slow()
    database.ask(COMMIT)
    database.do(TTL // 2)
    database.ask(Register())
    assert database.do(SLOW) == [Register()]


def test_a_database_that_was_slow_is_quick_again_after_a_while_without_a_slow_answer() -> None:
    database = Database()
    database.grow_slow()
    database.now += SLOW_TTLS * TTL
    database.ask(COMMIT, BEAT)
    assert database.do(QUICK) == [COMMIT, BEAT]


def test_what_was_asked_together_can_be_dropped_and_what_comes_after_stays() -> None:
    database = Database()
    database.grow_slow()
    database.ask(COMMIT, CLAIM, SendResync())
    assert database.do(SLOW) == [COMMIT]
    assert database.request_queue.drop() == [CLAIM]
    assert database.do(SLOW) == [SendResync()]
