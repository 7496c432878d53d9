"""Forks: an execution that begins with copies of another's records, in one transaction."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hydra import _core
from hydra.errors import NotFound
from hydra.execution import Submission
from hydra.records.forks import Fork
from hydra.stores.store import Store

from tests.stores.store_values import (
    NOW,
    UNKNOWN,
    WORKFLOW,
    claim,
    end,
    record,
    register,
    running,
    status,
    submission,
    write,
)


def of(source_id: str, record_count: int, wanted: Submission | None = None) -> Fork:
    return Fork(wanted or submission(tags={"from": source_id}), source_id, record_count, f"forked from `{source_id}`")


@pytest.mark.parametrize("is_ended", [False, True])
def test_a_fork_has_the_records_before_the_step_and_goes_on_from_there(store: Store, is_ended: bool) -> None:
    node = register(store)
    source = running(store, node)
    if is_ended:
        assert end(store, node, source, "completed", record(1), record(2), record(3), payload=b"")
    else:
        assert write(store, node, source, record(1), record(2), record(3))
    answer = store.fork(of(source.id, 2), NOW + 5)
    assert answer.created
    assert store.records(answer.id) == [record(1), record(2)]
    (line,) = store.claims(answer.id)
    assert (line.node, line.ending, line.detail) == (UNKNOWN, "released", f"forked from `{source.id}`")
    (claimed,) = claim(store, node, now=NOW + 6)
    assert (claimed.id, claimed.epoch, claimed.attempt, claimed.input) == (answer.id, 2, 1, b"input")
    assert claimed.records == [record(1), record(2)]
    assert claimed.tags == {"from": source.id}
    assert end(store, node, claimed, "completed", record(3), payload=b"")
    assert len(store.records(source.id)) == 3
    assert status(store, source.id) == ("completed" if is_ended else "running")


def test_a_fork_before_the_first_record_begins_at_the_beginning(store: Store) -> None:
    node = register(store)
    source = running(store, node)
    answer = store.fork(of(source.id, 0), NOW)
    (claimed,) = claim(store, node)
    assert (claimed.id, claimed.records) == (answer.id, [])


def test_g1_r17_a_fork_is_repeated_with_its_id_and_happens_once(
    store: Store, open_another: Callable[..., Store]
) -> None:
    node = register(store)
    source = running(store, node)
    assert write(store, node, source, record(1))
    wanted = of(source.id, 1, submission(key="fork-1"))
    first = store.fork(wanted, NOW)
    again = open_another().fork(wanted, NOW)
    assert (first.created, again.created, again.id) == (True, False, first.id)
    assert store.records(first.id) == [record(1)]
    other = of(source.id, 1, submission(key="fork-1", digest=b"e" * 16))
    assert store.fork(other, NOW).conflict


def test_what_is_gone_or_anothers_is_not_forked_and_nothing_is_left(
    store: Store, open_another: Callable[..., Store]
) -> None:
    node = register(store)
    source = running(store, node)
    assert write(store, node, source, record(1))
    wanted = of(source.id, 2)
    with pytest.raises(NotFound, match="1 records of 2"):
        store.fork(wanted, NOW)
    with pytest.raises(NotFound):
        open_another("other").fork(of(source.id, 1), NOW)
    with pytest.raises(NotFound):
        store.fork(of(UNKNOWN, 1), NOW)
    assert store.get([wanted.submission.id]) == [None]
    assert open_another("other").audit() == []
    assert store.stats(NOW).counts == {WORKFLOW: {"running": 1}}
    assert store.submit([submission(id=_core.uuid7())], NOW)[0].created
