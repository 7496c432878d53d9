"""Every statement that locks goes straight to its rows by primary key, also in tables so small that a scan looks
cheaper: a scan would wait for rows of others. Seen in the server's own log of what a working store sends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hydra.execution import ExecutionCommit, Message
from hydra.sought import Sought
from hydra.stores.filter import Filter
from hydra.stores.loads import COUNT_LIMIT
from hydra.stores.mysql import MysqlStore
from hydra.stores.workflow_info import WorkflowInfo

from tests.servers.mysql import connect
from tests.stores.mysql_stage import Behind
from tests.stores.racing import NOW, ended, node_info, record, recorded, submission

pytestmark = pytest.mark.fresh_database

IN_ORDER = "negated_priority, run_at, id"  # the claim takes the first rows of one range, and reads no further
EXACT = {"const", "eq_ref", "range"}


@pytest.fixture
def log(mysql_url: str) -> Iterator[Behind]:
    behind = Behind(mysql_url)
    behind.run("set global log_output = 'TABLE'")
    behind.run("truncate mysql.general_log")
    yield behind
    behind.run("set global general_log = 0")


def test_whatever_locks_finds_its_rows_by_primary_key(open_store: Callable[..., MysqlStore], log: Behind) -> None:
    store = open_store()
    log.run("set global general_log = 1")
    work(store)
    log.run("set global general_log = 0")
    queries = log.run(
        "select distinct convert(argument using utf8mb4) from mysql.general_log where command_type = 'Query'"
    )
    statements = {statement for (query,) in queries for statement in query.split("; ") if "hydra_" in statement}
    locking = sorted(filter(takes_locks, statements))
    assert len({query.split(" where ")[0][:90] for query in locking}) > 25
    for query in locking:
        for plan in log.explain(query):
            if plan["table"] is None:
                continue  # a key that is not there needs no plan
            # Only a purge goes by another index, to the links of a family that has ended.
            assert (plan["table"], plan["key"]) in (("c", "by_parent"), (plan["table"], "PRIMARY")), (query, plan)
            assert plan["type"] in EXACT or f"order by {IN_ORDER}" in query or is_led_to(plan), (query, plan)


def test_a_callers_open_transaction_holds_up_neither_nodes_nor_a_purge(
    open_store: Callable[..., MysqlStore], mysql_url: str
) -> None:
    """Its rows lie in tables of few others, which a scan would lock one after another."""
    store = open_store()
    store.write_wait_seconds = 0.5
    node = store.register_node(node_info(), NOW)
    caller = connect(mysql_url)
    for _ in range(10):
        caller.begin()
        store.submit_in(caller, [submission()], NOW)
        caller.commit()
    caller.begin()
    (open_one,) = store.submit_in(caller, [submission()], NOW)
    claimed = store.claim(node, ["bill"], 20, NOW)
    messages = [Message(submission().id, one.id, "paid", b"", NOW) for one in claimed]
    store.signal(messages, NOW)
    heard = [msgspec.structs.replace(record(1), kind="event", digest=UUID(each.id).bytes) for each in messages]
    ends = [ended(one, "completed", event, payload=b"") for one, event in zip(claimed, heard, strict=True)]
    assert store.commit(node, ends, NOW) == [True] * 10
    store.heartbeat_node(node, NOW)
    assert store.stats(NOW).counts == {"bill": {"completed": 10}}
    assert store.purge(NOW + 1, 20) == 10
    caller.commit()
    caller.close()
    store.heartbeat_node(node, NOW)
    assert [one.id for one in store.claim(node, ["bill"], 20, NOW)] == [open_one.id]
    assert store.audit() == []


def test_the_head_of_a_queue_of_thousands_is_read_and_no_more(
    open_store: Callable[..., MysqlStore], log: Behind
) -> None:
    store = open_store()
    node = store.register_node(node_info(), NOW)
    store.submit([submission() for _ in range(5000)], NOW)
    with log.transaction():
        before = read_rows(log)
        log.run(
            "select id from hydra_ready force index (primary) where namespace = 'default' and workflow = 'bill' "
            f"order by {IN_ORDER} limit 10 for update skip locked"
        )
        assert read_rows(log) - before <= 11
    assert len(store.claim(node, ["bill"], 10, NOW)) == 10


def test_counts_read_the_head_of_a_queue_of_thousands_and_no_more(
    open_store: Callable[..., MysqlStore], log: Behind
) -> None:
    store = open_store()
    store.register_workflows(store.register_node(node_info(), NOW), [WorkflowInfo("bill", b"", None, "code")], NOW)
    store.submit([submission(priority=number % 3) for number in range(3000)], NOW)
    log.run("set global general_log = 1")
    assert store.stats(NOW).oldest_due_at == NOW
    log.run("set global general_log = 0")
    (queries,) = zip(
        *log.run("select convert(argument using utf8mb4) from mysql.general_log where argument like '%hydra_ready%'"),
        strict=True,
    )
    assert len(queries) == 5  # what is due, one for each priority, and one that finds no other
    for query in queries:
        before = read_rows(log)
        log.run(query)
        assert read_rows(log) - before <= (2 * COUNT_LIMIT + 2 if "count(*)" in query else 3), query


@pytest.mark.parametrize("is_oldest_first", [False, True])
def test_attributes_lead_to_what_has_them(
    open_store: Callable[..., MysqlStore], log: Behind, monkeypatch: pytest.MonkeyPatch, is_oldest_first: bool
) -> None:
    """One value by its own index in the order of ids, rare or not; much of a range by the primary key. None of them
    reads what it does not list."""
    monkeypatch.setattr("hydra.stores.searching.COMMON", 100)
    store = open_store()
    done, rare = {"state": b"sdone"}, {"state": b"sdone", "customer": b"sc-17"}
    store.submit([submission(attributes=done if n % 1000 else rare) for n in range(3000)], NOW)
    state, customer = Sought("state", b"sdone", b"sdone\0"), Sought("customer", b"sc-17", b"sc-17\0")
    for sought, index, found_count, is_sorted in (
        (state, "by_value", 10, False),
        (customer, "by_value", 3, False),
        (Sought("customer", b"sc", b"sd"), "by_value", 3, True),
        (Sought("state", b"sd", b"t"), "PRIMARY", 10, False),
    ):
        log.run("truncate mysql.general_log")
        log.run("set global general_log = 1")
        filter = Filter(attributes=(sought,), limit=10, is_oldest_first=is_oldest_first)
        assert len(store.list(filter)) == found_count
        log.run("set global general_log = 0")
        ((query,),) = log.run(
            "select convert(argument using utf8mb4) from mysql.general_log where argument like '%straight_join%'"
            " and argument not like '%general_log%'"
        )
        led, *_ = log.explain(query)
        assert (led["table"], led["key"]) == ("a", index), (query, led)
        assert ("filesort" in (led["extra"] or "")) is is_sorted, (query, led)
        before = read_rows(log)
        log.run(query)
        assert read_rows(log) - before <= 5 * found_count + 2, query


def work(store: MysqlStore) -> None:
    """Every verb that writes, on few rows."""
    node = store.register_node(node_info(), NOW)
    now = NOW
    for kind in ("completed", "failed", "retry", "sleeping", "waiting", "cancelled", "parked", "released", "crashed"):
        now += 10
        store.submit([submission(key=f"{kind}-{n}", timeout_us=1000) for n in range(4)], now)
        store.submit([submission(key=f"{kind}-0"), submission(run_at=now + 5)], now)
        claimed = store.claim(node, ["bill", "dun"], 3, now)
        store.commit(node, [recorded(one, record(1)) for one in claimed if not one.records], now)
        ends = []
        for one in claimed:
            seq = len(one.records) + (not one.records)
            item = ended(one, kind, record(seq + 1), wake_at=now + 5, payload=b"")
            ends.append(ExecutionCommit(one.id, one.epoch, item.records, item.end, death_count=1 if seq > 1 else None))
        store.commit(node, ends, now)
        store.heartbeat_node(node, now)
        ids = [one.id for one in claimed]
        for verb in (store.retry, store.resume):
            verb(ids, now)
        store.request_cancel(ids[:2], now)
        store.promote(now + 6, 10)
    store.promote(now + 5000, 100)
    store.purge(now + 100, 5)
    node, _ = store.resync(node)
    store.recover(node, [ids[0]])
    store.mark_dead(node.id, None, now)
    store.return_executions(now, 10)
    store.return_executions(now, 10)


def takes_locks(query: str) -> bool:
    return query.startswith(("update ", "delete ")) or query.endswith(("for update", "skip locked", "share mode"))


def is_led_to(plan: dict[str, Any]) -> bool:
    """All messages or records of a locked execution, or what else it has many of."""
    return plan["table"] == "m" or (plan["table"] == "t" and plan["type"] == "ref")


def read_rows(log: Behind) -> int:
    return sum(int(count) for _, count in log.run("show session status like 'handler_read%'"))
