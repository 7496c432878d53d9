"""The audit sees every promise that the database can show to be broken: each is broken here by hand."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import psycopg
import pytest
from hydra.stores.postgres import PostgresStore
from hydra.stores.postgres.statements import audits
from psycopg.rows import TupleRow
from schedule_values import fired
from store_values import NOW, SECOND, claim, end, record, register, running, submission, submit, write

GHOST = "00000000-0000-0000-0000-000000000009"
LATER = "where execution_id = %(done)s and seq = 3"

# What is done to a healthy database; which promise the audit must name; a word of its sentence; whose execution.
BREAKS: dict[str, tuple[str, str, str, str]] = {
    "a parent is not told of its child": (
        "insert into hydra_child values (%(done)s, %(done)s, %(done)s)",
        "R14",
        "was not told",
        "done",
    ),
    "a record is lost": (
        "delete from hydra_record where execution_id = %(done)s and seq = 2",
        "R13",
        "record_count",
        "done",
    ),
    "the last record is lost": (f"delete from hydra_record {LATER}", "R13", "the log has 2", "done"),
    "the last record of what sleeps is lost": (
        "delete from hydra_record where execution_id = %(asleep)s",
        "R13",
        "the log has 0",
        "asleep",
    ),
    "a record too many": (
        f"""insert into hydra_record select execution_id, started_at, finished_at, due_at, 4, ordinal, attempt, kind,
        branch, 'more', digest, payload from hydra_record {LATER}""",
        "R13",
        "record_count is 3",
        "done",
    ),
    "a step has two outcomes": (
        f"update hydra_record set name = 'charge', ordinal = 1 {LATER}",
        "G3",
        "outcomes at records 1 and 3",
        "done",
    ),
    "a step is tried after its outcome": (
        f"update hydra_record set kind = 'try', name = 'charge', ordinal = 1 {LATER}",
        "G3",
        "tried again at record 3",
        "done",
    ),
    "tries go backwards": (
        "update hydra_record set kind = 'try', name = 'x', ordinal = 1, attempt = 3 - seq "
        "where execution_id = %(done)s and seq < 3",
        "G4",
        "after try 2",
        "done",
    ),
    "a success is superseded": (
        f"update hydra_record set kind = 'supersede', ordinal = 1 {LATER}",
        "G3",
        "supersedes record 1, which is a `step`",
        "done",
    ),
    "what is superseded does not exist": (
        f"update hydra_record set kind = 'supersede', ordinal = 9 {LATER}",
        "G3",
        "missing",
        "done",
    ),
    "what was never started is settled": (
        f"update hydra_record set kind = 'resolution' {LATER}",
        "G4",
        "which was never started",
        "done",
    ),
    "an outcome is lost": (
        "delete from hydra_claim where execution_id = %(done)s",
        "G1",
        "`completed` but its claim 1 ended nowhere",
        "done",
    ),
    "an outcome is another": (
        "update hydra_claim set ending = 'released' where execution_id = %(done)s",
        "G1",
        "ended `released`",
        "done",
    ),
    "a finished execution runs again": (
        """with gone as (delete from hydra_outcome where execution_id = %(done)s returning *)
        insert into hydra_execution (id, run_at, epoch, priority, status, namespace, workflow, record_count)
        select execution_id, run_at, epoch, 0, 'pending', namespace, workflow, record_count from gone""",
        "G3",
        "yet it is `pending`",
        "done",
    ),
    "an execution is two": (
        """insert into hydra_execution (id, run_at, epoch, priority, status, namespace, workflow, record_count)
        select execution_id, run_at, epoch, 0, 'pending', namespace, workflow, record_count
        from hydra_outcome where execution_id = %(done)s""",
        "R10",
        "with an outcome, `completed`",
        "done",
    ),
    "a claim is missing in the audit trail": (
        "update hydra_outcome set epoch = 2 where execution_id = %(done)s",
        "G4",
        "1 claims",
        "done",
    ),
    "a claim that goes on has ended": (
        """insert into hydra_claim
        select id, claimed_at, 9, owner, epoch, attempt, 0, 'released', '', null from hydra_execution
        where id = %(held)s""",
        "G4",
        "(held)",
        "held",
    ),
    "an owner nobody knows": (
        f"update hydra_execution set owner = '{GHOST}' where id = %(held)s",
        "G2",
        "is not registered",
        "held",
    ),
    "an owner marked empty": ("update hydra_node set state = 'empty'", "G2", "marked empty", "held"),
    "an owner of what does not run": (
        f"update hydra_execution set owner = '{GHOST}' where id = %(ready)s",
        "R10",
        "with owner `0000",
        "ready",
    ),
    "a state nobody knows": (
        "update hydra_execution set status = 'lost' where id = %(ready)s",
        "R10",
        "`lost`",
        "ready",
    ),
    "a timer on what runs": ("update hydra_execution set wake_at = 7 where id = %(held)s", "R10", "timer 7", "held"),
    "sleep without a timer": (
        "update hydra_execution set wake_at = null where id = %(asleep)s",
        "R10",
        "timer none",
        "asleep",
    ),
    "a key is lost": ("delete from hydra_key where key = 'inv-1'", "R24", "not in the table of keys", "keyed"),
    "a key leads elsewhere": (
        "update hydra_key set execution_id = %(done)s where key = 'inv-1'",
        "R24",
        "leads to execution",
        "keyed",
    ),
    "a key leads to what has no key": (
        "insert into hydra_key values ('default', 'bill', 'hash', %(done)s, 0, '', 'inv-2')",
        "R24",
        "its own key is none",
        "done",
    ),
    "a key with another digest": ("update hydra_key set digest = 'other'", "R24", "another input", "keyed"),
    "an input is lost": ("delete from hydra_submission where execution_id = %(ready)s", "G1", "no input", "ready"),
    "an execution is lost": ("delete from hydra_execution where id = %(ready)s", "R26", "has no execution", "ready"),
    "an outcome's row is lost": (
        "delete from hydra_outcome where execution_id = %(done)s",
        "R26",
        "has no execution",
        "done",
    ),
    "a heartbeat row is lost": ("delete from hydra_node_beat", "R2", "no heartbeat row", ""),
    "the counts are off": ("update hydra_count set count = count + 1", "G7", "counts", ""),
    "counts of nothing": ("insert into hydra_count values ('default', 'dun', 'failed', 3)", "G7", "there are 0", ""),
    "a tick has two executions": (
        "update hydra_submission set key = (select key from hydra_key where execution_id = %(ticked)s) "
        "where execution_id = %(ready)s",
        "R25",
        "has 2 executions",
        "ready",
    ),
    "a schedule forgets that it fired": (
        "update hydra_schedule set mark_at = mark_at - 60000000",
        "R25",
        "has not come to tick",
        "ticked",
    ),
    "a schedule stands still": (
        "update hydra_schedule set next_at = mark_at",
        "R25",
        "has seen to",
        "",
    ),
}


@pytest.fixture
def store(open_store: Callable[..., PostgresStore]) -> PostgresStore:
    return open_store()


@pytest.fixture
def breaker(store: PostgresStore, postgres_url: str) -> Iterator[psycopg.Connection[TupleRow]]:
    """A hand that no constraint of the tables holds back."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        checks = connection.execute(
            "select conrelid::regclass::text, conname from pg_constraint where contype = 'c' and conname ~ '^hydra_'"
        ).fetchall()
        for table, name in checks:
            connection.execute(f"alter table {table} drop constraint {name}")  # type: ignore[arg-type]
        yield connection


@pytest.fixture
def ids(store: PostgresStore) -> dict[str, str]:
    """A healthy database with an execution of each kind."""
    node = register(store)
    done = running(store, node)
    assert end(store, node, done, "completed", record(1), record(2, "ship"), record(3, "mail"), payload=b"")
    asleep = running(store, node)
    assert end(store, node, asleep, "sleeping", record(1), wake_at=NOW + SECOND)
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
    keyed = submission(key="inv-1")
    store.submit([keyed], NOW)
    ticked = fired(store, node)
    (ready,) = submit(store)
    return {"done": done.id, "asleep": asleep.id, "held": held.id, "keyed": keyed.id, "ready": ready, "ticked": ticked}


def test_a_healthy_database_breaks_no_promise(store: PostgresStore, ids: dict[str, str]) -> None:
    assert store.audit() == []


@pytest.mark.parametrize("name", BREAKS)
def test_the_audit_sees_that(
    store: PostgresStore, ids: dict[str, str], breaker: psycopg.Connection[TupleRow], name: str
) -> None:
    statement, promise, words, whose = BREAKS[name]
    assert breaker.execute(statement, ids).rowcount > 0  # type: ignore[arg-type]
    violations = [one for one in store.audit() if one.promise == promise and words in one.detail]
    assert violations, store.audit()
    assert ids.get(whose, "") in {one.execution_id for one in violations}


def test_every_question_of_the_audit_is_asked_for_by_a_test_that_breaks_its_promise() -> None:
    asked = {
        each for sql in audits().values() for each in re.findall(r"^(?:select)?\s*'([GR]\d+)'", sql.decode(), re.M)
    }
    asked |= {each for sql in audits().values() for each in re.findall(r"select '([GR]\d+)'", sql.decode())}
    assert asked == {promise for _, promise, _, _ in BREAKS.values()}


def test_an_audit_of_one_namespace_does_not_report_another(
    open_store: Callable[..., PostgresStore], ids: dict[str, str], breaker: psycopg.Connection[TupleRow]
) -> None:
    breaker.execute("delete from hydra_claim where execution_id = %(done)s", ids)
    other = open_store(namespace="tenant")
    submit(other)
    assert other.audit() == []
