"""Lines of who ordered what: many in one statement, listed by time, in the transaction of their effect."""

from __future__ import annotations

import pytest
from hydra import _core
from hydra.execution import Status
from hydra.stores.acts import THE_NAMESPACE, Act, ActFilter, ActKind
from hydra.stores.pauses import Pause, PauseKind
from hydra.stores.store import Store

from tests.stores.store_values import NOW, submit


def line(execution_id: str, id: str, at: int, by: str = "ana@host", kind: ActKind = ActKind.CANCEL) -> Act:
    return Act(execution_id, id, kind, at, by, "a reason, \u00e4", "was pending", "ana@host")


def test_lines_of_many_are_listed_newest_first_by_time_kind_and_who(store: Store) -> None:
    ids, order = sorted(submit(store, 3)), _core.uuid7()
    first = line(THE_NAMESPACE, _core.uuid7(), NOW - 5, "token:ops", ActKind.PAUSE)
    many = [line(id, order, NOW) for id in ids]
    store.add_acts([first, *many])
    store.add_acts([])
    store.add_acts(many)  # repeated after a lost reply
    assert store.recent_acts(ActFilter()) == [*reversed(many), first]
    assert store.recent_acts(ActFilter(limit=2)) == [many[2], many[1]]
    assert store.recent_acts(ActFilter(since=NOW)) == [*reversed(many)]
    assert store.recent_acts(ActFilter(until=NOW)) == store.recent_acts(ActFilter(by="ops")) == [first]
    assert store.recent_acts(ActFilter(kind="pause")) == [first]
    assert store.recent_acts(ActFilter(by="%")) == []
    assert store.acts(ids[0]) == [many[0]]


def test_lines_of_another_namespace_are_not_listed(store: Store, open_another: object) -> None:
    assert callable(open_another)
    other: Store = open_another("tenant")
    other.add_acts([line(THE_NAMESPACE, _core.uuid7(), NOW)])
    assert store.recent_acts(ActFilter()) == []
    assert len(other.recent_acts(ActFilter())) == 1


def test_what_is_done_together_is_done_with_its_line_or_not_at_all(store: Store) -> None:
    (id,) = submit(store)

    def cancel_and_fail() -> None:
        assert store.request_cancel([id], NOW) == [Status.CANCELLED]
        store.add_acts([line(id, _core.uuid7(), NOW)])
        raise LookupError("the program ends here")

    with pytest.raises(LookupError):
        store.together(cancel_and_fail)
    assert store.acts(id) == []
    (snapshot,) = store.get([id])
    assert snapshot is not None and snapshot.status is Status.PENDING


def test_a_pause_has_its_line(store: Store) -> None:
    stopped = line(THE_NAMESPACE, _core.uuid7(), NOW, kind=ActKind.PAUSE)
    store.pause(Pause(PauseKind.NAMESPACE, "", NOW, "ana@host", "the bank is down"), [stopped])
    assert store.recent_acts(ActFilter()) == [stopped] and len(store.pauses()) == 1
