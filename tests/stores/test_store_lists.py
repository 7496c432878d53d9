"""Lists by any filter: the same executions whatever leads them, and in bounded parts as in one."""

from __future__ import annotations

from random import Random

import msgspec
import pytest
from hydra import _core
from hydra.client import looking
from hydra.client.bulk import OPEN
from hydra.client.criteria import Criteria, walk
from hydra.execution import Message, Snapshot, Status
from hydra.stores import listing
from hydra.stores.filter import Filter
from hydra.stores.listing import BY_TIME, BY_WORKFLOW, WIDE, list_of
from hydra.stores.searching import COMMON
from hydra.stores.store import Store

from tests.stores.store_values import NOW, SECOND, claim, end, register, submission, submit, take

ASKED: list[dict[str, object]] = [
    {},
    {"workflow": "bill"},
    {"workflow": "nobody"},
    {"workflow": "bill", "status": Status.FAILED},
    {"workflow": "dun", "status": Status.PENDING},
    {"status": Status.COMPLETED},
    {"status": Status.RUNNING, "workflow": "bill"},
    {"since": NOW + 4 * SECOND},
    {"until": NOW + 4 * SECOND},
    {"since": NOW + 2 * SECOND, "until": NOW + 6 * SECOND},
    {"since": NOW + 2 * SECOND, "status": Status.FAILED},
    {"until": NOW + 6 * SECOND, "workflow": "bill"},
    {"tags": {"run": "1"}},
    {"tags": {"run": "1"}, "workflow": "bill", "status": Status.PENDING},
    {"key": "k-3"},
    {"key": "k-3", "workflow": "dun"},
]
FILTERS = [Filter(**asked, is_oldest_first=way) for asked in ASKED for way in (False, True)]  # type: ignore[arg-type]


@pytest.fixture(params=["few", "many"])
def filled(store: Store, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> list[Snapshot]:
    """All that a store has, the oldest first, submitted in no order of their ids. To `many` even three are many."""
    if request.param == "many":
        monkeypatch.setattr("hydra.stores.listing.COMMON", 3)
        monkeypatch.setattr("hydra.stores.listing.WIDE", 5)
    random, node = Random(7), register(store)
    ids = _core.uuid7_many(24)
    for number, id in enumerate(random.sample(ids, len(ids))):
        tags = {"run": str(number % 3)} if number % 2 else None
        asked = submission("dun" if number % 4 == 3 else "bill", id=id, key=f"k-{number}", tags=tags)
        store.submit([asked], NOW + number * SECOND // 3)
    for number, claimed in enumerate(claim(store, node, slots=12, now=NOW + 100 * SECOND)):
        if number % 3:
            assert end(store, node, claimed, "failed" if number % 3 == 1 else "completed", payload=b"")
    return [each for each in store.get(ids) if each is not None]


def behind(filter: Filter, *place: str) -> Filter:
    """Where it goes on behind that id, if one is given."""
    way = "after" if filter.is_oldest_first else "before"
    return msgspec.structs.replace(filter, **{way: place[0]}) if place else filter


def wanted(all_of: list[Snapshot], filter: Filter) -> list[str]:
    found = [
        each.id
        for each in all_of
        if filter.admits(each) and filter.workflow in (None, each.workflow) and filter.key in (None, each.key)
    ]
    return found if filter.is_oldest_first else found[::-1]


def test_a_list_has_what_matches_whatever_leads_it(store: Store, filled: list[Snapshot]) -> None:
    for filter in FILTERS:
        expected = wanted(filled, filter)
        assert [each.id for each in store.list(filter)] == expected, filter
        paged: list[str] = []
        while page := store.list(behind(msgspec.structs.replace(filter, limit=2), *paged[-1:])):
            paged += [each.id for each in page]
        assert paged == expected, filter


def test_parts_of_a_bounded_list_come_to_the_whole(
    store: Store, filled: list[Snapshot], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "MAX_LOOKED_AT", 4)
    for filter in FILTERS:
        looked = looking.look(store, Criteria(filter), 3)
        found, parts = [*looked.found], 1
        while looked.place is not None:
            looked = looking.look(store, Criteria(behind(filter, looked.place)), 3)
            assert len(looked.found) <= 3
            found, parts = found + looked.found, parts + 1
        assert [each.id for each in found] == wanted(filled, filter), filter
        assert parts <= len(filled), filter


def test_a_bounded_list_looks_no_further_than_it_says(store: Store) -> None:
    ids = submit(store, 10, tags={"run": "1"}) + submit(store, 10)
    tagged = Filter(tags={"run": "1"}, limit=5)
    assert store.place(tagged, 4) == ids[-4]
    assert store.place(msgspec.structs.replace(tagged, before=ids[12]), 4) == ids[8]
    assert store.place(msgspec.structs.replace(tagged, is_oldest_first=True, after=ids[2]), 4) == ids[6]
    assert store.place(tagged, 21) is None, "it looks at all there are"
    assert store.place(Filter(status=Status.PENDING), 4) is None, "all that it looks at is asked for"
    assert store.place(Filter(workflow="bill"), 4) is None
    assert store.place(Filter(workflow="bill", tags={"run": "1"}), 4) == ids[-4]
    assert store.place(Filter(status=Status.PENDING, tags={"run": "1"}), 4) == ids[-4]


@pytest.mark.parametrize("is_oldest_first", [False, True])
@pytest.mark.parametrize("asked", [{"workflow": "bill"}, {"tags": {"run": "1"}}, {"since": NOW}])
def test_what_moves_between_two_pages_is_found_once(
    store: Store, monkeypatch: pytest.MonkeyPatch, asked: dict[str, object], is_oldest_first: bool
) -> None:
    node, ids = register(store), submit(store, 12, tags={"run": "1"})
    waiting, running = (claim(store, node, slots=4) for _ in range(2))
    for each in waiting:
        assert end(store, node, each, "waiting")
    claimed = {each.id: each for each in running}
    in_order = sorted(ids, reverse=not is_oldest_first)
    found: list[str] = []
    list_page = store.list

    def wake() -> None:
        store.signal([Message(_core.uuid7(), each.id, "go", b"", NOW) for each in waiting], NOW)

    def begin() -> None:
        while len(claimed) < len(ids):
            claimed.update((each.id, each) for each in take(store, node))

    def finish() -> None:
        assert end(store, node, claimed[in_order[0]], "completed", payload=b"")

    moves = [wake, begin, finish]

    def list_and_move(filter: Filter) -> list[Snapshot]:
        page = list_page(filter)
        if moves:
            moves.pop(0)()
        return page

    monkeypatch.setattr(store, "list", list_and_move)
    filter = Filter(limit=3, is_oldest_first=is_oldest_first, **asked)  # type: ignore[arg-type]
    for page in walk(store, Criteria(filter, among=OPEN)):
        found += [snapshot.id for snapshot, _ in page]
    assert found == in_order and not moves
    ended = Criteria(filter, among=(Status.COMPLETED, Status.FAILED))
    assert [snapshot.id for page in walk(store, ended) for snapshot, _ in page] == in_order[:1]


def test_the_fewest_lead() -> None:
    def led(counted: dict[str, int], **asked: object) -> str:
        return list_of(Filter(**asked), lambda *_: counted["workflow"], lambda *_: counted["time"])  # type: ignore[arg-type]

    assert led({}) == led({}, status=Status.FAILED) == led({}, tags={"a": "b"}) == ""
    assert led({}, workflow="bill") == BY_WORKFLOW, "which needs no count"
    assert led({"workflow": 5}, workflow="bill", status=Status.FAILED) == BY_WORKFLOW
    assert led({"workflow": COMMON}, workflow="bill", status=Status.FAILED) == ""
    assert led({"time": 5}, since=1) == led({"time": 5}, since=1, status=Status.FAILED) == BY_TIME
    assert led({"time": COMMON}, since=1) == "", "the newest of them lie at the end where it begins"
    assert led({"time": COMMON}, until=1) == led({"time": COMMON}, since=1, is_oldest_first=True) == BY_TIME
    assert led({"time": WIDE}, until=1) == led({"time": COMMON}, until=1, status=Status.FAILED) == ""
    assert led({"time": 9, "workflow": 5}, since=1, workflow="bill") == BY_WORKFLOW
    assert led({"time": 5, "workflow": 9}, since=1, workflow="bill") == BY_TIME
    assert led({"time": COMMON, "workflow": COMMON}, since=1, workflow="bill") == BY_WORKFLOW
    assert listing.WIDE > COMMON
