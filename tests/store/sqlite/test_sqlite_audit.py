"""The audit sees every promise that the database can show to be broken: each is broken here by hand."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hydra.stores import open_store
from hydra.stores.sqlite.statements import audits
from hydra.stores.store import Store
from schedule_values import fired
from store_values import NOW, SECOND, claim, end, record, register, running, submission, submit, write

# What is done to a healthy database; which promise the audit must name; a word of its sentence; whose execution.
BREAKS: dict[str, tuple[str, str, str, str]] = {
    "a parent is not told of its child": (
        "insert into hydra_child values (:done, :done, :done)",
        "R14",
        "was not told",
        "done",
    ),
    "a record is lost": (
        "delete from hydra_record where execution_id = :done and seq = 2",
        "R13",
        "record_count",
        "done",
    ),
    "the last record is lost": (
        "delete from hydra_record where execution_id = :done and seq = 3",
        "R13",
        "log",
        "done",
    ),
    "a record too many": (
        "insert into hydra_record select execution_id, 4, kind, branch, 'more', ordinal, attempt, digest, payload, "
        "started_at, finished_at, due_at from hydra_record where execution_id = :done and seq = 1",
        "R13",
        "record_count is 3",
        "done",
    ),
    "a step has two outcomes": (
        "update hydra_record set name = 'charge', ordinal = 1 where execution_id = :done and seq = 3",
        "G3",
        "outcomes at records 1 and 3",
        "done",
    ),
    "a step is tried after its outcome": (
        "update hydra_record set kind = 'try', name = 'charge', ordinal = 1 where execution_id = :done and seq = 3",
        "G3",
        "tried again at record 3",
        "done",
    ),
    "a crash is recorded after its outcome": (
        "update hydra_record set kind = 'crash', name = 'charge', ordinal = 1 where execution_id = :done and seq = 3",
        "G3",
        "tried again at record 3",
        "done",
    ),
    "tries go backwards": (
        "update hydra_record set kind = 'try', name = 'x', ordinal = 1, attempt = 3 - seq "
        "where execution_id = :done and seq < 3",
        "G4",
        "after try 2",
        "done",
    ),
    "a success is superseded": (
        "update hydra_record set kind = 'supersede', ordinal = 1 where execution_id = :done and seq = 3",
        "G3",
        "supersedes record 1, which is a `step`",
        "done",
    ),
    "what is superseded does not exist": (
        "update hydra_record set kind = 'supersede', ordinal = 9 where execution_id = :done and seq = 3",
        "G3",
        "missing",
        "done",
    ),
    "what was never started is settled": (
        "update hydra_record set kind = 'resolution' where execution_id = :done and seq = 3",
        "G4",
        "which was never started",
        "done",
    ),
    "an outcome is lost": (
        "delete from hydra_claim where execution_id = :done",
        "G1",
        "`completed` but its claim 1 ended nowhere",
        "done",
    ),
    "an outcome is another": (
        "update hydra_claim set ending = 'released' where execution_id = :done",
        "G1",
        "ended `released`",
        "done",
    ),
    "a finished execution runs again": (
        "update hydra_execution set status = 'pending', finished_at = null where id = :done",
        "G3",
        "yet it is `pending`",
        "done",
    ),
    "a claim is missing in the audit trail": (
        "update hydra_execution set epoch = 2 where id = :done",
        "G4",
        "1 claims",
        "done",
    ),
    "a claim that goes on has ended": (
        "insert into hydra_claim select id, epoch, attempt, owner, 0, claimed_at, 9, 'released', '', null "
        "from hydra_execution where id = :held",
        "G4",
        "(held)",
        "held",
    ),
    "an owner nobody knows": (
        "update hydra_execution set owner = 'ghost' where id = :held",
        "G2",
        "`ghost` is not registered",
        "held",
    ),
    "an owner marked empty": ("update hydra_node set state = 'empty'", "G2", "marked empty", "held"),
    "an owner of what does not run": (
        "update hydra_execution set owner = 'ghost' where id = :ready",
        "R10",
        "owner `ghost`",
        "ready",
    ),
    "a state nobody knows": ("update hydra_execution set status = 'lost' where id = :ready", "R10", "`lost`", "ready"),
    "a final execution without its end": (
        "update hydra_execution set finished_at = null where id = :done",
        "R10",
        "finished at never",
        "done",
    ),
    "a timer on what runs": ("update hydra_execution set wake_at = 7 where id = :held", "R10", "timer 7", "held"),
    "sleep without a timer": (
        "update hydra_execution set wake_at = null where id = :asleep",
        "R10",
        "timer none",
        "asleep",
    ),
    "a key is lost": ("delete from hydra_key where key = 'inv-1'", "R24", "not in the table of keys", "keyed"),
    "a key leads elsewhere": (
        "update hydra_key set execution_id = :done where key = 'inv-1'",
        "R24",
        "leads to execution",
        "keyed",
    ),
    "a key leads to what has no key": (
        "insert into hydra_key values ('default', 'bill', 'inv-2', :done, x'', 0)",
        "R24",
        "its own key is none",
        "done",
    ),
    "a key with another digest": ("update hydra_key set digest = x'00'", "R24", "another input", "keyed"),
    "an input is lost": ("delete from hydra_submission where execution_id = :ready", "G1", "no input", "ready"),
    "an execution is lost": ("delete from hydra_execution where id = :done", "R26", "has no execution", "done"),
    "a heartbeat row is lost": ("delete from hydra_node_beat", "R2", "no heartbeat row", ""),
    "a node is lost": ("delete from hydra_node", "R2", "has no node", ""),
    "the counts are off": ("update hydra_count set count = count + 1 where status = 'completed'", "G7", "counts 3", ""),
    "counts of nothing": ("insert into hydra_count values ('default', 'dun', 'pending', 3)", "G7", "there are 0", ""),
    "a tick has two executions": (
        "update hydra_submission set key = (select key from hydra_key where execution_id = :ticked) "
        "where execution_id = :ready",
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
def path(tmp_path: Path) -> Path:
    return tmp_path / "hydra.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    store = open_store(f"sqlite:///{path}")
    store.open()
    yield store
    store.close()


@pytest.fixture
def ids(store: Store) -> dict[str, str]:
    """A healthy database with an execution of each kind."""
    node = register(store)
    done = running(store, node)
    assert end(store, node, done, "completed", record(1), record(2, "ship"), record(3, "mail"), payload=b"")
    asleep = running(store, node)
    assert end(store, node, asleep, "sleeping", wake_at=NOW + SECOND)
    failed = running(store, node)
    assert end(store, node, failed, "failed", record(1, kind="failure"), payload=b"", cause_seq=1)
    store.retry([failed.id], NOW)
    (again,) = claim(store, node)
    assert end(store, node, again, "completed", record(3, ordinal=1), payload=b"")
    store.request_cancel(submit(store), NOW)
    held = running(store, node)
    assert write(store, node, held, record(1))
    keyed = submission(key="inv-1")
    store.submit([keyed], NOW)
    ticked = fired(store, node)
    (ready,) = submit(store)
    return {"done": done.id, "asleep": asleep.id, "held": held.id, "keyed": keyed.id, "ready": ready, "ticked": ticked}


def test_a_healthy_database_breaks_no_promise(store: Store, ids: dict[str, str]) -> None:
    assert store.audit() == []


@pytest.mark.parametrize("name", BREAKS)
def test_the_audit_sees_that(store: Store, path: Path, ids: dict[str, str], name: str) -> None:
    statement, promise, words, whose = BREAKS[name]
    breaker = sqlite3.connect(path, isolation_level=None)
    breaker.execute("pragma foreign_keys = off")
    breaker.execute("pragma ignore_check_constraints = on")
    assert breaker.execute(statement, ids).rowcount > 0
    breaker.close()
    violations = [one for one in store.audit() if one.promise == promise and words in one.detail]
    assert violations, store.audit()
    assert ids.get(whose, "") in {one.execution_id for one in violations}


def test_every_question_of_the_audit_is_asked_for_by_a_test_that_breaks_its_promise() -> None:
    promises = {
        line.split("'")[1] for sql in audits().values() for line in sql.splitlines() if line.startswith("select '")
    }
    assert promises == {promise for _, promise, _, _ in BREAKS.values()}


def test_an_audit_of_one_namespace_does_not_report_another(store: Store, path: Path, ids: dict[str, str]) -> None:
    breaker = sqlite3.connect(path, isolation_level=None)
    breaker.execute("delete from hydra_claim where execution_id = ?", (ids["done"],))
    breaker.close()
    other = open_store(f"sqlite:///{path}", "tenant")
    other.open()
    submit(other)
    assert other.audit() == []
    other.close()
