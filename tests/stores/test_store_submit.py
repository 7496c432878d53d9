"""Submission: durable, idempotent by id and by key, separated by namespace."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait

import pytest
from hydra.errors import PayloadError
from hydra.execution import Debounced, KeyReuse, Submitted
from hydra.stores.filter import Filter
from hydra.stores.store import Store

from tests.stores.store_values import NOW, SECOND, WORKFLOW, claim, end, register, submission, submit, take

LOOK_SECONDS = 0.2


def test_g1_what_submit_returned_another_connection_sees(store: Store, open_another: Callable[..., Store]) -> None:
    ids = submit(store, 3, tags={"run": "2026-11"}, input=b"\x00\xff", priority=7)
    for snapshot in open_another().get(ids):
        assert snapshot is not None
        assert (snapshot.status, snapshot.workflow, snapshot.priority) == ("pending", WORKFLOW, 7)
        assert snapshot.tags == {"run": "2026-11"}
        assert (snapshot.submitted_at, snapshot.run_at, snapshot.wake_at) == (NOW, NOW, None)
    assert store.input(ids[0]) == b"\x00\xff"


def test_r17_repeating_a_submission_with_its_id_is_safe(store: Store) -> None:
    one = submission()
    assert store.submit([one], NOW) == [Submitted(one.id, True)]
    assert store.submit([one, submission()], NOW + 1)[0] == Submitted(one.id, False)
    assert store.stats(NOW).counts == {WORKFLOW: {"pending": 2}}


@pytest.mark.parametrize("first", ["first", None])
def test_r17_a_known_id_is_refused_another_key_and_leaves_it_free(store: Store, first: str | None) -> None:
    one = submission(key=first)
    store.submit([one], NOW)
    refused = Submitted(one.id, False, conflict=True, made_with=first or "")
    for reuse in KeyReuse:
        assert store.submit([submission(id=one.id, key="second", key_reuse=reuse)], NOW) == [refused]
    assert store.submit([submission(id=one.id, key="second"), submission(key="third")], NOW)[0] == refused
    assert store.submit([submission(id=one.id, key=first)], NOW) == [Submitted(one.id, False)]
    assert store.submit([submission(id=one.id)], NOW) == [Submitted(one.id, False)], "the id says it all"
    assert store.find(WORKFLOW, "second") is None
    held = None if first is None else store.find(WORKFLOW, first)
    assert held is None or held.id == one.id
    other = submission(key="second")
    assert store.submit([other], NOW)[0].created
    assert store.submit([submission(id=one.id, key="second")], NOW) == [refused], "nor may it pass for who has it"
    assert store.submit([submission(id=one.id, key="second", digest=b"x" * 16)], NOW)[0].conflict
    assert store.submit([other], NOW) == [Submitted(other.id, False)]


@pytest.mark.parametrize("is_same", [True, False])
def test_r17_an_id_that_is_being_submitted_is_refused_a_key_and_leaves_it_free(
    store: Store, open_another: Callable[..., Store], is_same: bool
) -> None:
    one, other = submission(), open_another()
    asked = submission(id=one.id, key="k", digest=one.digest if is_same else b"x" * 16)
    with ThreadPoolExecutor(1) as threads:
        with store.transaction():
            store.submit([one], NOW)
            racing = threads.submit(other.submit, [asked], NOW)
            wait([racing], LOOK_SECONDS)  # until it stands where it waits for the first, which is not committed
        (answer,) = racing.result()
    assert answer == Submitted(one.id, False, conflict=True, made_with="" if is_same else None)
    assert store.find(WORKFLOW, "k") is None
    assert store.submit([submission(key="k")], NOW)[0].created
    assert store.audit() == []


def test_r17_two_of_a_batch_with_one_id_and_two_keys_do_not_pass_for_each_other(store: Store) -> None:
    one = submission(key="first")
    batch = [one, submission(id=one.id, key="second"), submission(id=one.id, key="first")]
    assert store.submit(batch, NOW) == [
        Submitted(one.id, True),
        Submitted(one.id, False, conflict=True, made_with="first"),
        Submitted(one.id, False),
    ]
    assert store.find(WORKFLOW, "second") is None


@pytest.mark.parametrize("is_held", [False, True])
def test_r17_a_known_id_is_refused_a_key_that_it_would_debounce(store: Store, is_held: bool) -> None:
    one, wait = submission(key="first"), Debounced(SECOND)
    store.submit([one], NOW)
    if is_held:
        store.submit([submission(key="second", debounce=wait, run_at=NOW + SECOND)], NOW)
    asked = submission(id=one.id, key="second", debounce=wait, run_at=NOW + SECOND)
    assert store.submit([asked], NOW) == [Submitted(one.id, False, conflict=True, made_with="first")]
    again = submission(id=one.id, key="first", debounce=wait, run_at=NOW + SECOND)
    assert store.submit([again], NOW) == [Submitted(one.id, False)]
    store.submit([submission("other", key="first")], NOW)
    (other,) = store.submit([submission("other", id=one.id, key="first", debounce=wait)], NOW)
    assert other == Submitted(one.id, False, conflict=True)


def test_an_id_with_another_input_is_a_conflict(store: Store) -> None:
    one = submission()
    store.submit([one], NOW)
    other = submission(id=one.id, digest=b"x" * 16)
    assert store.submit([other], NOW) == [Submitted(one.id, False, conflict=True)]


def test_r18_a_known_key_gives_the_first_execution(store: Store) -> None:
    first, again = submission(key="inv-42"), submission(key="inv-42")
    store.submit([first], NOW)
    assert store.submit([again], NOW + 1) == [Submitted(first.id, False)]
    assert store.get([again.id]) == [None]


def test_a_known_key_with_another_input_is_a_conflict_and_creates_nothing(store: Store) -> None:
    first, other = submission(key="inv-42"), submission(key="inv-42", digest=b"x" * 16)
    store.submit([first], NOW)
    assert store.submit([other], NOW) == [Submitted(first.id, False, conflict=True, digest=first.digest)]
    assert store.get([other.id]) == [None]


def test_keys_of_two_workflows_do_not_meet(store: Store) -> None:
    answers = store.submit([submission("bill", key="k"), submission("dun", key="k")], NOW)
    assert [answer.created for answer in answers] == [True, True]


def test_one_batch_answers_for_each_of_its_items(store: Store) -> None:
    known, repeated = submission(key="known"), submission(key="twice")
    store.submit([known], NOW)
    batch = [
        submission(key="new"),
        submission(key="known"),
        repeated,
        submission(key="twice"),
        submission(key="twice", digest=b"x" * 16),
        known,
        submission(),
    ]
    answers = store.submit(batch, NOW)
    assert answers == [
        Submitted(batch[0].id, True),
        Submitted(known.id, False),
        Submitted(repeated.id, True),
        Submitted(repeated.id, False),
        Submitted(repeated.id, False, conflict=True, digest=repeated.digest),
        Submitted(known.id, False),
        Submitted(batch[6].id, True),
    ]
    assert store.stats(NOW).counts == {WORKFLOW: {"pending": 4}}


def test_of_one_key_in_one_batch_the_first_has_it(store: Store) -> None:
    batch = [submission(key="shared" if number % 2 else str(number)) for number in range(48)]
    random.Random(6).shuffle(batch)  # in no order of their ids
    shared = [each for each in batch if each.key == "shared"]
    answers = dict(zip([each.id for each in batch], store.submit(batch, NOW), strict=True))
    assert [answers[each.id] for each in shared] == [Submitted(shared[0].id, each is shared[0]) for each in shared]


def test_r24_a_key_outlives_its_purged_execution(store: Store) -> None:
    node = register(store)
    first = submission(key="inv-42")
    store.submit([first], NOW)
    (claimed,) = claim(store, node)
    assert end(store, node, claimed, "completed", payload=b"result")
    assert store.purge(NOW + 1, 10) == 1
    assert store.get([first.id]) == [None]
    assert store.find(WORKFLOW, "inv-42") is None
    assert store.submit([submission(key="inv-42")], NOW) == [Submitted(first.id, False, purged=True)]
    assert store.submit([first], NOW) == [Submitted(first.id, False, purged=True)]
    assert claim(store, node) == []


def test_a_delayed_start_is_not_claimed_before_it_is_due(store: Store) -> None:
    node = register(store)
    (id,) = submit(store, run_at=NOW + SECOND)
    assert claim(store, node) == []
    assert store.next_due_at() == NOW + SECOND
    assert store.promote(NOW, 10) == 0
    assert store.promote(NOW + SECOND, 10) == 1
    (claimed,) = take(store, node, now=NOW + SECOND)
    assert (claimed.id, claimed.run_at) == (id, NOW + SECOND)


def test_nothing_crosses_a_namespace(store: Store, open_another: Callable[..., Store]) -> None:
    other = open_another("tenant")
    first = submission(key="k")
    store.submit([first], NOW)
    (answer,) = other.submit([submission(key="k", digest=b"x" * 16)], NOW)
    assert answer.created
    assert other.get([first.id]) == [None]
    assert other.request_cancel([first.id], NOW) == [None]
    assert [snapshot.id for snapshot in other.list(Filter())] == [answer.id]
    assert [claimed.id for claimed in claim(other, register(other))] == [answer.id]
    assert other.stats(NOW).counts == {WORKFLOW: {"running": 1}}
    assert store.stats(NOW).counts == {WORKFLOW: {"pending": 1}}
    assert other.audit() == []


@pytest.mark.parametrize("key", ["", "a'b\"c", "ключ", "x" * 5_000, "a\nb", "{}", "null", "🎫"])
def test_a_key_comes_back_as_it_went_in(store: Store, key: str) -> None:
    first = submission(key=key)
    store.submit([first], NOW)
    found = store.find(WORKFLOW, key)
    assert found is not None
    assert (found.id, found.key) == (first.id, key)
    assert store.submit([submission(key=key)], NOW) == [Submitted(first.id, False)]
    (claimed,) = claim(store, register(store))
    assert claimed.key == key


@pytest.mark.parametrize("key", ["a\0b", "\ud800"])
def test_g7_a_key_the_database_would_mangle_is_refused_and_its_batch_with_it(store: Store, key: str) -> None:
    with pytest.raises(PayloadError, match="key"):
        store.submit([submission(), submission(key=key)], NOW)
    assert store.stats(NOW).counts == {}


def test_a_large_input_comes_back_whole(store: Store) -> None:
    content = bytes(range(256)) * 40_000
    (id,) = submit(store, input=content)
    assert store.input(id) == content
    (claimed,) = claim(store, register(store))
    assert claimed.input == content


def test_five_thousand_at_once(store: Store) -> None:
    batch = [submission(key=str(number)) for number in range(5_000)]
    assert all(answer.created for answer in store.submit(batch, NOW))
    assert store.submit(batch, NOW) == [Submitted(item.id, False) for item in batch]
    assert store.stats(NOW).counts == {WORKFLOW: {"pending": 5_000}}
