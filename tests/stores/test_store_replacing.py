"""Other arguments for what waits, keys that are free after a while, and bursts that become one, on every database."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
from hydra import _core
from hydra.execution import Debounced, KeyReuse, Message, Status, Submission
from hydra.stores.acts import Act, ActKind
from hydra.stores.admission import NEVER
from hydra.stores.rescheduling import Place, Replacement, Reschedule, Rescheduled, debounce_order, move
from hydra.stores.store import Store

from tests.stores.postgres_stage import PostgresStage
from tests.stores.store_values import NOW, SECOND, WORKFLOW, claim, end, register, running, status, submission, take
from tests.stores.test_store_limits import ONE, TWO, let_go, serving

CHANGED = Rescheduled(Status.PENDING, True)
HOUR = 3600 * SECOND
WAIT = Debounced(5 * SECOND, 12 * SECOND)

Another = Callable[..., Store]


def keyed(input: bytes, *keys: str, **fields: object) -> Submission:
    plain = submission(key="k", input=input, digest=input.ljust(16))
    return msgspec.structs.replace(plain, limit_keys=keys or None, **fields)


def give(input: bytes, *keys: str, key: str | None = "k") -> Replacement:
    return Replacement(WORKFLOW, key, input, input.ljust(16), {"by": "ana"}, keys or None)


def replace(store: Store, id: str, replacement: Replacement, at: int | None = None) -> Rescheduled | None:
    line = Act(id, _core.uuid7(), ActKind.RESCHEDULE, NOW, "ana@host", "")
    return store.reschedule(Reschedule(id, line, at, None, replacement), NOW)


def one(store: Store, submitted: Submission, now: int = NOW) -> str:
    (answer,) = store.submit([submitted], now)
    assert not answer.conflict
    return answer.id


# other arguments


def test_what_has_never_begun_gets_other_arguments_and_its_key_leads_to_them(store: Store) -> None:
    node = register(store)
    id = one(store, keyed(b"old"))
    assert replace(store, id, give(b"new")) == CHANGED
    (act,) = store.acts(id)
    assert act.detail == "other arguments"
    assert store.audit() == []
    (again, other) = store.submit([keyed(b"new"), keyed(b"old")], NOW)
    assert (again.id, again.conflict, other.conflict) == (id, False, True)
    (claimed,) = take(store, node)
    assert (claimed.id, claimed.input, claimed.tags, claimed.key) == (id, b"new", {"by": "ana"}, "k")
    assert store.input(id) == b"new"


@pytest.mark.parametrize("before", ["running", "released", "sleeping", "parked", "completed"])
def test_r10_what_has_begun_keeps_its_arguments(store: Store, before: str) -> None:
    node = register(store)
    claimed = running(store, node, key="k")
    if before != "running":
        end(store, node, claimed, before, payload=b"", wake_at=NOW + SECOND if before == "sleeping" else 0)
    answer = replace(store, claimed.id, give(b"new"))
    assert answer is not None and not answer.is_changed
    assert (store.input(claimed.id), store.acts(claimed.id), store.audit()) == (b"input", [], [])


@pytest.mark.parametrize("is_let_go", [False, True])
def test_r29_with_other_limits_it_leaves_those_it_waited_at(store: Store, is_let_go: bool) -> None:
    node = serving(store)
    first, second = (one(store, msgspec.structs.replace(keyed(b"old", ONE), key=None)) for _ in range(2))
    if is_let_go:
        let_go(store)
    assert replace(store, first, give(b"new", TWO, key=None)) == CHANGED
    let_go(store)
    assert store.audit() == []
    assert {each.id for each in claim(store, node)} == {first, second}
    assert store.limit_use("concurrency", "one", 10, 10)[0].held_count == 1
    assert store.audit() == []


@pytest.mark.parametrize("is_let_go", [False, True])
def test_r29_a_limit_that_is_new_to_it_holds_it_and_one_it_has_lost_does_not(store: Store, is_let_go: bool) -> None:
    node = serving(store)
    free = one(store, msgspec.structs.replace(keyed(b"a"), key=None))
    bound, held = (one(store, msgspec.structs.replace(keyed(b"b", ONE), key=None)) for _ in range(2))
    if is_let_go:
        let_go(store)
    assert replace(store, free, give(b"new", ONE, key=None)) == CHANGED
    assert replace(store, bound, give(b"new", key=None)) == CHANGED
    assert replace(store, held, give(b"new", key=None), NOW + 5 * SECOND) == CHANGED
    let_go(store)
    assert store.audit() == []
    assert {each.id for each in claim(store, node)} == {bound, free}
    store.promote(NOW + 5 * SECOND, 10)
    assert [each.id for each in claim(store, node, now=NOW + 5 * SECOND)] == [held]
    assert store.audit() == []


def test_what_is_delayed_waits_at_its_other_limits_once_it_is_due(store: Store) -> None:
    node, later = serving(store), NOW + 5 * SECOND
    first = one(store, msgspec.structs.replace(keyed(b"a", ONE), key=None))
    id = one(store, keyed(b"old", TWO, run_at=later))
    assert replace(store, id, give(b"new", ONE)) == CHANGED
    let_go(store)
    (running_first,) = claim(store, node)
    assert running_first.id == first
    store.promote(later, 10)
    let_go(store, later)
    assert claim(store, node, now=later) == []
    end(store, node, running_first, "completed", payload=b"", now=later)
    let_go(store, later)
    assert [each.id for each in take(store, node, later)] == [id]
    assert store.audit() == []


def test_of_a_claim_and_other_arguments_one_comes_first(store: Store, open_another: Another) -> None:
    node, other = register(store), open_another()
    ids = [one(store, submission(input=b"old")) for _ in range(40)]
    claimed: dict[str, bytes] = {}
    with ThreadPoolExecutor(1) as thread:
        changing = thread.submit(lambda: [replace(other, id, give(b"new", key=None)) for id in reversed(ids)])
        while not changing.done():
            claimed |= {each.id: each.input for each in claim(store, node, 1)}
    answers = dict(zip(reversed(ids), changing.result(), strict=True))
    while found := claim(store, node):
        claimed |= {each.id: each.input for each in found}
    assert claimed == {id: b"new" if answers[id] == CHANGED else b"old" for id in ids}


def test_r12_a_claim_that_looked_before_the_arguments_were_replaced_gives_those_of_after(stage: object) -> None:
    """PostgreSQL's claim has begun, and waits for its node's row."""
    if not isinstance(stage, PostgresStage):
        pytest.skip("the others read what they have locked")
    (id,) = stage.submit()
    with stage.holding_node(stage.node_b):
        late = stage.in_thread(stage.claim_b)
        stage.until_blocked()
        assert replace(stage.a, id, give(b"new", key=None)) == CHANGED
    (claimed,) = late.result()
    assert (claimed.id, claimed.input, claimed.tags) == (id, b"new", {"by": "ana"})


# keys that are free after a while


def test_a_key_is_free_once_it_was_taken_so_long_ago_whatever_became_of_who_had_it(store: Store) -> None:
    node = register(store)
    hourly = {"reuse_after_us": HOUR}
    first = one(store, keyed(b"a", **hourly))
    assert one(store, keyed(b"a", **hourly), NOW + HOUR - 1) == first
    (conflict,) = store.submit([keyed(b"b", **hourly)], NOW + HOUR - 1)
    assert conflict.conflict
    asked = keyed(b"b", **hourly)
    second = one(store, asked, NOW + HOUR)
    assert second == asked.id and status(store, first) == "pending"
    assert one(store, asked, NOW + HOUR) == second, "R17"
    (line,) = store.acts(first)
    assert (line.kind, line.id) == (ActKind.KEY_PASSED, second)
    assert store.audit() == []
    found = store.find(WORKFLOW, "k")
    assert found is not None and found.id == second
    for claimed in take(store, node):
        end(store, node, claimed, "failed", payload=b"")
    store.retry([first, second], NOW + HOUR)
    assert (status(store, first), status(store, second)) == ("failed", "pending"), "two of one key would run"
    third = one(store, keyed(b"c", **hourly), NOW + 2 * HOUR)
    assert status(store, third) == "pending" and store.audit() == []


def test_what_ended_or_was_purged_within_the_while_keeps_its_key(store: Store) -> None:
    node = register(store)
    claimed = running(store, node, key="k")
    end(store, node, claimed, "completed", payload=b"")
    again = keyed(b"input", digest=b"d" * 16, reuse_after_us=HOUR)
    (answer,) = store.submit([again], NOW + HOUR - 1)
    assert (answer.id, answer.created, answer.purged) == (claimed.id, False, False)
    assert store.purge(NOW + SECOND, 10) == 1
    (answer,) = store.submit([again], NOW + HOUR - 1)
    assert (answer.id, answer.created, answer.purged) == (claimed.id, False, True)
    assert one(store, again, NOW + HOUR) == again.id and store.audit() == []


def test_of_many_in_one_batch_and_many_at_once_one_takes_a_key_that_is_free_again(
    store: Store, open_another: Another
) -> None:
    first = one(store, keyed(b"a"))
    later = NOW + 2 * HOUR
    others = [open_another() for _ in range(6)]

    def ask(store: Store) -> list[str]:
        asked = [keyed(b"a", reuse_after_us=HOUR) for _ in range(3)]
        return [answer.id for answer in store.submit(asked, later)]

    with ThreadPoolExecutor(len(others)) as threads:
        ids = {id for answers in threads.map(ask, others) for id in answers}
    assert len(ids) == 1 and first not in ids
    (new,) = ids
    found = store.find(WORKFLOW, "k")
    assert found is not None and found.id == new
    assert [line.id for line in store.acts(first)] == [new] and store.audit() == []


# bursts


def test_a_burst_is_one_execution_with_the_last_arguments_a_while_after_the_last(store: Store) -> None:
    node = register(store)
    first = one(store, keyed(b"0", debounce=WAIT, run_at=NOW + 5 * SECOND))
    for number, due in ((1, 6), (4, 9), (8, 12), (9, 12)):  # at most 12 s after the first
        assert one(store, keyed(b"%d" % number, debounce=WAIT), NOW + number * SECOND) == first
        (found,) = store.get([first])
        assert found is not None and found.wake_at == NOW + due * SECOND
    (line,) = store.acts(first)
    assert line.kind == ActKind.DEBOUNCE, "of a burst one line is kept"
    assert take(store, node, NOW + 11 * SECOND) == []
    store.promote(NOW + 12 * SECOND, 10)
    (claimed,) = take(store, node, NOW + 12 * SECOND)
    assert (claimed.id, claimed.input) == (first, b"9")
    assert store.audit() == []


def test_what_is_due_is_not_put_off_and_gets_the_arguments_all_the_same(store: Store) -> None:
    node = register(store)
    first = one(store, keyed(b"0", debounce=WAIT, run_at=NOW + 5 * SECOND))
    store.promote(NOW + 5 * SECOND, 10)
    assert one(store, keyed(b"6", debounce=WAIT, priority=3), NOW + 6 * SECOND) == first
    (claimed,) = take(store, node, NOW + 6 * SECOND)
    assert (claimed.id, claimed.input, claimed.priority) == (first, b"6", 3)


@pytest.mark.parametrize("before", ["running", "sleeping", "completed", "purged"])
def test_what_came_after_it_began_is_not_lost_but_begins_another(store: Store, before: str) -> None:
    node = register(store)
    claimed = running(store, node, key="k")
    if before != "running":
        kind = "completed" if before == "purged" else before
        end(store, node, claimed, kind, payload=b"", wake_at=NOW + HOUR if before == "sleeping" else 0)
    if before == "purged":
        assert store.purge(NOW + SECOND, 10) == 1
    asked = keyed(b"new", debounce=WAIT, run_at=NOW + 5 * SECOND)
    assert one(store, asked) == asked.id
    assert one(store, asked) == asked.id, "R17"
    assert one(store, keyed(b"newer", debounce=WAIT), NOW + SECOND) == asked.id
    assert store.input(asked.id) == b"newer" and store.audit() == []
    assert one(store, asked) == asked.id, "R17: an earlier one that is repeated changes nothing"
    assert store.input(asked.id) == b"newer"


def test_r17_a_submission_of_a_burst_that_is_repeated_does_not_put_it_off_again(store: Store) -> None:
    first = one(store, keyed(b"0", debounce=WAIT, run_at=NOW + 5 * SECOND))
    asked = keyed(b"1", debounce=WAIT)
    assert one(store, asked, NOW + SECOND) == first
    register(store)
    node = register(store)
    store.promote(NOW + 6 * SECOND, 10)
    (claimed,) = take(store, node, NOW + 6 * SECOND)
    assert (claimed.id, claimed.input) == (first, b"1")
    assert one(store, asked, NOW + 7 * SECOND) == first, "what it asked for has begun"


@pytest.mark.parametrize("before", ["waiting", "ended"])
def test_r17_the_id_of_what_was_made_with_other_arguments_is_a_conflict(store: Store, before: str) -> None:
    first = keyed(b"0", debounce=WAIT)
    assert one(store, first) == first.id
    if before == "ended":
        store.promote(NOW + 6 * SECOND, 10)
        node = register(store)
        (claimed,) = take(store, node, NOW + 6 * SECOND)
        assert end(store, node, claimed, "completed", now=NOW + 6 * SECOND)
    (answer,) = store.submit([keyed(b"other", debounce=WAIT, id=first.id)], NOW + 7 * SECOND)
    assert (answer.id, answer.conflict, answer.digest) == (first.id, True, first.digest)
    assert one(store, first, NOW + 8 * SECOND) == first.id, "its own arguments are a repetition"


def test_r17_the_id_of_what_was_given_other_arguments_is_known_whatever_they_are(store: Store) -> None:
    first = keyed(b"0", debounce=WAIT)
    assert one(store, first) == first.id
    assert one(store, keyed(b"1", debounce=WAIT)) == first.id
    assert one(store, first) == first.id
    assert store.input(first.id) == b"1"


def test_with_other_limits_a_burst_waits_at_those_of_its_last(store: Store) -> None:
    node = serving(store)
    first = one(store, keyed(b"0", TWO, debounce=WAIT, run_at=NOW + 5 * SECOND))
    assert one(store, keyed(b"1", ONE, debounce=WAIT), NOW + SECOND) == first
    store.promote(NOW + 6 * SECOND, 10)
    let_go(store, NOW + 6 * SECOND)
    (found,) = store.get([first])
    assert found is not None and found.limit_keys == (ONE,)
    assert [each.id for each in take(store, node, NOW + 6 * SECOND)] == [first]
    assert store.audit() == []


def test_of_many_at_once_one_execution_waits_with_the_arguments_of_one(store: Store, open_another: Another) -> None:
    others = [open_another() for _ in range(6)]

    def ask(place: int) -> list[str]:
        asked = [keyed(b"%d" % (place * 10 + number), debounce=WAIT, run_at=NOW + SECOND) for number in range(4)]
        return [one(others[place], each) for each in asked]

    with ThreadPoolExecutor(len(others)) as threads:
        ids = {id for answers in threads.map(ask, range(len(others))) for id in answers}
    assert len(ids) == 1
    assert int(store.input(ids.pop())) % 10 == 3, "the last of a caller's own"
    assert store.audit() == []


def test_a_burst_that_meets_a_claim_loses_none_of_its_arguments(store: Store, open_another: Another) -> None:
    """Each submission's arguments are begun with, or replaced by later ones; the last are begun with."""
    node, other = register(store), open_another()
    at_once = Debounced(1, 1)
    begun: list[bytes] = []
    with ThreadPoolExecutor(1) as thread:
        asking = thread.submit(
            lambda: [one(other, keyed(b"%d" % number, debounce=at_once), NOW + number) for number in range(40)]
        )
        while not asking.done():
            begun += [each.input for each in claim(store, node, 1, NOW + 40)]
    store.promote(NOW + HOUR, 10)
    begun += [each.input for each in take(store, node, NOW + HOUR)]
    assert begun[-1] == b"39" and [int(each) for each in begun] == sorted({int(each) for each in begun})
    assert len(set(asking.result())) == len(begun) and store.audit() == []


def test_a_burst_and_other_keys_share_a_batch(store: Store) -> None:
    asked = [
        keyed(b"0", debounce=WAIT),
        submission(key="other"),
        keyed(b"1", debounce=WAIT),
        msgspec.structs.replace(submission(key="third"), key_reuse=KeyReuse.AFTER_END),
    ]
    answers = store.submit(asked, NOW)
    assert [answer.id for answer in answers] == [asked[0].id, asked[1].id, asked[0].id, asked[3].id]
    assert store.input(asked[0].id) == b"1" and store.audit() == []


def test_a_message_that_came_before_it_began_stays(store: Store) -> None:
    node = register(store)
    id = one(store, keyed(b"0", debounce=WAIT))
    store.signal([Message(_core.uuid7(), id, "news", b"", NOW)], NOW)
    assert one(store, keyed(b"1", debounce=WAIT), NOW + 1) == id
    store.promote(NOW + HOUR, 10)
    (claimed,) = take(store, node, NOW + HOUR)
    assert (claimed.input, [each.name for each in claimed.messages]) == (b"1", ["news"])


# the pure part


def test_a_burst_is_put_off_while_it_is_delayed_and_at_most_until_its_bound() -> None:
    asked = keyed(b"1", debounce=WAIT)
    order = debounce_order(asked, "id", NOW - 10 * SECOND, NOW)
    assert order is not None and order.at == NOW + 2 * SECOND
    late = debounce_order(asked, "id", NOW - 20 * SECOND, NOW)
    assert late is not None
    delayed, ready = Place(0, NOW + 1, NOW + 1, None), Place(0, NOW - 1, None, None)
    held = Place(0, NOW - 1, NEVER, None)

    def moved(order: Reschedule, place: Place, epoch: int = 0) -> Place | None:
        return move(order, Status.PENDING, place, None, epoch, 0, NOW)

    assert moved(order, delayed) == Place(0, NOW + 2 * SECOND, NOW + 2 * SECOND, None)
    assert moved(late, delayed) == Place(0, NOW, None, None)
    assert (moved(order, ready), moved(order, held)) == (ready, held)
    assert moved(order, delayed, epoch=1) is None
    unbounded = debounce_order(keyed(b"1", debounce=Debounced(SECOND)), "id", NOW - HOUR, NOW)
    assert unbounded is not None and unbounded.at == NOW + SECOND
    assert debounce_order(keyed(b"1"), "id", NOW, NOW) is None
