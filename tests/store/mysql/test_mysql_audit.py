"""The audit sees every promise that the database can show to be broken: each is broken here by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hydra.stores.mysql import MysqlStore
from hydra.stores.mysql.statements import NO_NODE, id_literal, literal, read_statements
from mysql_racing import Behind
from schedule_values import fired
from store_values import NOW, SECOND, claim, end, record, register, running, submission, submit, write

LATER = "where execution_id = {done} and seq = 3"

# What is done to a healthy database; which question must see it; a word of its sentence; whose execution.
BREAKS: dict[str, tuple[str, str, str, str]] = {
    "a parent is not told of its child": (
        "insert into hydra_child (child_id, request_id, parent_id) values ({done}, {done}, {asleep})",
        "children",
        "was not told",
        "asleep",
    ),
    "a record is lost": (
        "delete from hydra_record where execution_id = {done} and seq = 2",
        "completeness_of_records",
        "the log has 2",
        "done",
    ),
    "the last record is lost": (
        f"delete from hydra_record {LATER}",
        "completeness_of_records",
        "the log has 2",
        "done",
    ),
    "a record too many": (
        "insert into hydra_record select execution_id, 4, kind, branch, 'more', ordinal, attempt, digest, payload, "
        f"started_at, finished_at, due_at from hydra_record {LATER}",
        "completeness_of_records",
        "record_count is 3",
        "done",
    ),
    "a step has two outcomes": (
        f"update hydra_record set name = 'charge', ordinal = 1 {LATER}",
        "one_outcome_per_step",
        "outcomes at records 1 and 3",
        "done",
    ),
    "a step is tried after its outcome": (
        f"update hydra_record set kind = 'try', name = 'charge', ordinal = 1 {LATER}",
        "nothing_after_an_outcome",
        "tried again at record 3",
        "done",
    ),
    "tries go backwards": (
        "update hydra_record set kind = 'try', name = 'x', ordinal = 1, attempt = 3 - seq "
        "where execution_id = {done} and seq < 3",
        "order_of_tries",
        "after try 2",
        "done",
    ),
    "a success is superseded": (
        f"update hydra_record set kind = 'supersede', ordinal = 1 {LATER}",
        "superseded_failures",
        "supersedes record 1, which is a `step`",
        "done",
    ),
    "what is superseded does not exist": (
        f"update hydra_record set kind = 'supersede', ordinal = 9 {LATER}",
        "superseded_failures",
        "missing",
        "done",
    ),
    "what was never started is settled": (
        f"update hydra_record set kind = 'resolution' {LATER}",
        "resolutions",
        "which was never started",
        "done",
    ),
    "an outcome is lost": (
        "delete from hydra_claim where execution_id = {done}",
        "outcomes",
        "`completed` but its claim 1 ended nowhere",
        "done",
    ),
    "an outcome is another": (
        "update hydra_claim set ending = 'released' where execution_id = {done}",
        "outcomes",
        "ended `released`",
        "done",
    ),
    "a finished execution runs again": (
        "update hydra_execution set status = 'pending', finished_at = 0 where id = {done}",
        "endings_stand",
        "yet it is `pending`",
        "done",
    ),
    "a claim is missing in the audit trail": (
        "update hydra_execution set epoch = 2 where id = {done}",
        "claims",
        "1 claims",
        "done",
    ),
    "a claim that goes on has ended": (
        "insert into hydra_claim select id, epoch, attempt, owner, 0, claimed_at, 9, 'released', '', null "
        "from hydra_execution where id = {held}",
        "claims",
        "(held)",
        "held",
    ),
    "an owner nobody knows": (
        "update hydra_execution set owner = x'00000000000000000000000000000009' where id = {held}",
        "owners",
        "is not registered",
        "held",
    ),
    "an owner marked empty": ("update hydra_node set state = 'empty'", "owners", "marked empty", "held"),
    "an owner of what does not run": (
        "update hydra_execution set owner = x'00000000000000000000000000000009' where id = {ready}",
        "states",
        "with owner 0000",
        "ready",
    ),
    "a timer on what runs": (
        "update hydra_execution set wake_at = 7 where id = {held}",
        "states",
        "timer 7",
        "held",
    ),
    "sleep without a timer": (
        "update hydra_execution set wake_at = 0 where id = {asleep}",
        "states",
        "timer 0",
        "asleep",
    ),
    "a key is lost": (
        "delete from hydra_key where idempotency_key = 'inv-1'",
        "keys",
        "not in the table of keys",
        "keyed",
    ),
    "a key leads elsewhere": (
        "update hydra_key set execution_id = {done} where idempotency_key = 'inv-1'",
        "keys",
        "leads to execution",
        "keyed",
    ),
    "a key leads to what has no key": (
        "insert into hydra_key values (repeat('k', 32), 'default', 'bill', 'inv-2', {done}, '', 0)",
        "strayed_keys",
        "its own key is none",
        "done",
    ),
    "a key with another digest": ("update hydra_key set digest = 'other'", "keys", "another input", "keyed"),
    "an execution is lost": (
        "delete from hydra_execution where id = {done}",
        "orphans",
        "has no execution",
        "done",
    ),
    "what is ready waits in no queue": (
        "delete from hydra_ready where id = {ready}",
        "queues",
        "it is `pending` with timer 0 and time-out 0, but in of the queues",
        "ready",
    ),
    "what sleeps would never wake": ("delete from hydra_timer where id = {asleep}", "queues", "`sleeping`", "asleep"),
    "what has a time-out would never time out": (
        "delete from hydra_deadline where id = {keyed}",
        "queues",
        "`pending`",
        "keyed",
    ),
    "what has ended would never be purged": (
        "delete from hydra_finished where id = {done}",
        "queues",
        "`completed`",
        "done",
    ),
    "what has ended is still ready": (
        "insert into hydra_ready values ('default', 'bill', 0, 1, {done})",
        "strayed_queues",
        "a row of hydra_ready does not fit it",
        "done",
    ),
    "a timer of nobody": (
        "insert into hydra_timer values ('default', 1, x'00000000000000000000000000000009')",
        "strayed_queues",
        "a row of hydra_timer does not fit it",
        "",
    ),
    "a message of nobody": (
        "insert into hydra_message values (x'00000000000000000000000000000009', {done}, 'paid', '', 0)",
        "messages",
        "has no execution",
        "",
    ),
    "a message is still there after it was consumed": (
        "insert into hydra_message select execution_id, digest, 'paid', '', 0 from hydra_record "
        "where execution_id = {asleep} and kind = 'event'",
        "messages",
        "was consumed by record 1",
        "asleep",
    ),
    "a heartbeat row is lost": ("delete from hydra_node_beat", "orphaned_beats", "no heartbeat row", ""),
    "a heartbeat row of nobody": (
        "insert into hydra_node_beat values (x'00000000000000000000000000000009', 0, 0, '')",
        "orphaned_beats",
        "has no node",
        "",
    ),
    "the counts are off": (
        "update hydra_tally set total = total + 1 where workflow <> '' and status = 'completed'",
        "counts",
        "counts",
        "",
    ),
    "counts of nothing": (
        "insert into hydra_tally values ('default', 'dun', 'failed', 0, 3)",
        "counts",
        "there are 0",
        "",
    ),
    "a tick has two executions": (
        "update hydra_execution set idempotency_key = "
        "(select idempotency_key from hydra_key where execution_id = {ticked}) "
        "where id = {ready}",
        "schedule_ticks",
        "has 2 executions",
        "ready",
    ),
    "a schedule forgets that it fired": (
        "update hydra_schedule set mark_at = mark_at - 60000000",
        "schedule_marks",
        "has not come to tick",
        "ticked",
    ),
    "a schedule stands still": (
        "update hydra_schedule set next_at = mark_at",
        "schedule_marks",
        "has seen to",
        "",
    ),
}


@pytest.fixture
def store(open_store: Callable[..., MysqlStore]) -> MysqlStore:
    return open_store()


@pytest.fixture
def ids(store: MysqlStore) -> dict[str, str]:
    """A healthy database with an execution of each kind."""
    node = register(store)
    done = running(store, node)
    assert end(store, node, done, "completed", record(1), record(2, "ship"), record(3, "mail"), payload=b"")
    asleep = running(store, node)
    assert end(store, node, asleep, "sleeping", record(1, kind="sleep"), wake_at=NOW + SECOND)
    failed = running(store, node)
    assert end(store, node, failed, "failed", record(1, kind="failure"), payload=b"", cause_seq=1)
    store.retry([failed.id], NOW)
    (again,) = claim(store, node)
    assert end(store, node, again, "completed", record(3, ordinal=1), payload=b"")
    store.request_cancel(submit(store), NOW)
    lost = running(store, node)
    assert write(store, node, lost, record(1))
    store.mark_dead(node.id, None, NOW)
    store.return_executions(NOW, 10)
    store.request_cancel([lost.id], NOW)
    node = register(store)
    held = running(store, node)
    assert write(store, node, held, record(1))
    keyed = submission(key="inv-1", timeout_us=SECOND)
    store.submit([keyed], NOW)
    ticked = fired(store, node)
    (ready,) = submit(store)
    return {"done": done.id, "asleep": asleep.id, "held": held.id, "keyed": keyed.id, "ready": ready, "ticked": ticked}


def test_a_healthy_database_breaks_no_promise(store: MysqlStore, ids: dict[str, str]) -> None:
    assert store.audit() == []


@pytest.mark.parametrize("name", BREAKS)
def test_the_audit_sees_that(
    store: MysqlStore, ids: dict[str, str], mysql_url: str, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    statement, question, words, whose = BREAKS[name]
    breaker = Behind(mysql_url)
    breaker.lift_checks()
    if "event" in statement:
        digest = literal(bytes.fromhex(ids["done"].replace("-", "")))
        breaker.run(f"update hydra_record set kind = 'event', digest = {digest} where kind = 'sleep'")
    with breaker.connection.cursor() as cursor:
        assert cursor.execute(statement.format(**{key: id_literal(id) for key, id in ids.items()})) > 0
        (text,) = [text for known, text in read_statements("audits").items() if known == question]
        cursor.execute(text.format(namespace=literal("default"), no_node=NO_NODE))
        promises = {row[0] for row in cursor.fetchall()}
    violations = [one for one in store.audit() if one.promise in promises and words in one.detail]
    assert violations, store.audit()
    assert whose == "" or ids[whose] in {one.execution_id for one in violations}


def test_every_question_of_the_audit_is_answered_by_a_test_that_breaks_its_promise() -> None:
    assert set(read_statements("audits")) == {question for _, question, _, _ in BREAKS.values()}


def test_an_audit_of_one_namespace_does_not_report_another(
    open_store: Callable[..., MysqlStore], ids: dict[str, str], mysql_url: str
) -> None:
    Behind(mysql_url).run(f"delete from hydra_ready where id = {id_literal(ids['ready'])}")
    assert open_store(namespace="other").audit() == []
