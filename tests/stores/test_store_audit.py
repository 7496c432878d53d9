"""The audit sees every promise that the database can show to be broken: each is broken here by hand, on each store."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator
from importlib.resources import files
from types import ModuleType

import pytest
from hydra.execution import End, ExecutionCommit
from hydra.stores.findings import Violation
from hydra.stores.store import Store

from tests.stores.breakers import STORES, Breaker, breaker_of
from tests.stores.breaks import BREAKS
from tests.stores.schedule_values import fired
from tests.stores.store_values import (
    NOW,
    SECOND,
    claim,
    end,
    record,
    register,
    running,
    submission,
    submit,
    take,
    write,
)
from tests.stores.test_store_children import request_id, spawning

GHOST = "00000000-0000-0000-0000-000000000009"
PROMISE = re.compile(r"'([GR]\d+)'")


def statement_of(name: str, store: str) -> str | None:
    """None where that cannot happen to its tables."""
    statement = BREAKS[name].statement
    return statement if isinstance(statement, str) else statement.get(store)


CASES = [(store, name) for name in BREAKS for store in STORES if statement_of(name, store)]


@pytest.fixture
def store(open_another: Callable[..., Store]) -> Store:
    """Its promises are about to be broken, so nobody looks when the test is over."""
    return open_another()


@pytest.fixture
def breaker(store: Store, url: str) -> Iterator[Breaker]:
    breaker = breaker_of(url)
    yield breaker
    breaker.close()


@pytest.fixture
def ids(store: Store) -> dict[str, str]:
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


def auditing(store: str) -> ModuleType:
    return importlib.import_module(f"hydra.stores.{store}.auditing")


def answers(store: Store, module: ModuleType, question: str, monkeypatch: pytest.MonkeyPatch) -> list[Violation]:
    """What that question alone finds."""
    reader = "audits" if hasattr(module, "audits") else "read_statements"
    asked = {question: getattr(module, reader)(*["audits"] * (reader != "audits"))[question]}
    with monkeypatch.context() as patch:
        patch.setattr(module, reader, lambda *_: asked)
        return store.audit()


def test_a_healthy_database_breaks_no_promise(store: Store, ids: dict[str, str]) -> None:
    assert store.audit() == []


@pytest.mark.parametrize(("url", "name"), CASES, indirect=["url"])
def test_the_audit_sees_that(
    store: Store, ids: dict[str, str], breaker: Breaker, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    _, question, promise, words, whose = BREAKS[name]
    statement, sentence = statement_of(name, breaker.NAME), words if isinstance(words, str) else words[breaker.NAME]
    assert statement is not None
    literals = {each: breaker.id(id) for each, id in ids.items()}
    literals |= {"ghost": breaker.id(GHOST), "done_octets": breaker.octets(ids["done"])}
    for part in statement.format(**literals).split("; "):
        met_count = breaker.run(part)
    assert met_count > 0
    found = answers(store, auditing(breaker.NAME), question, monkeypatch)
    violations = [one for one in found if one.promise == promise and sentence in one.detail]
    assert violations, found
    assert whose == "" or ids[whose] in {one.execution_id for one in violations}
    assert set(violations) <= set(store.audit())


@pytest.mark.parametrize("key", [None, "settle-1"])
def test_r14_the_audit_sees_that_the_message_of_a_childs_end_is_lost(
    store: Store, breaker: Breaker, key: str | None
) -> None:
    node = register(store)
    parent = running(store, node)
    assert write(store, node, parent, spawning(1, key))
    (child,) = take(store, node)
    suspended = ExecutionCommit(parent.id, parent.epoch, [], End("waiting"))
    done = ExecutionCommit(child.id, child.epoch, [], End("completed", b"x"))
    assert store.commit(node, [suspended, done], NOW) == [True, True]
    assert store.audit() == []
    parent_id = breaker.id(parent.id)
    assert breaker.run(f"delete from hydra_message where execution_id = {parent_id} and name like 'hydra.child%'") == 1
    assert breaker.run(f"update hydra_execution set status = 'waiting' where id = {parent_id}") == 1
    assert (parent.id, "R14") in {(one.execution_id, one.promise) for one in store.audit()}


@pytest.mark.parametrize(
    ("damage", "promise", "words"),
    [
        ("delete from hydra_child where child_id = {child}", "R14", "will tell it of its end"),
        ("update hydra_child set parent_id = {other} where child_id = {child}", "R14", "will tell it of its end"),
        ("delete from hydra_descendant where execution_id = {child}", "R26", "is not of its tree"),
        ("update hydra_descendant set root_id = {other} where execution_id = {child}", "R26", "is not of its tree"),
    ],
)
def test_the_audit_sees_that_a_child_that_goes_on_is_not_its_parents(
    store: Store, breaker: Breaker, damage: str, promise: str, words: str
) -> None:
    node = register(store)
    parent = running(store, node)
    asked = spawning(1)
    assert end(store, node, parent, "waiting", asked)
    (other,) = submit(store)
    assert store.audit() == []
    assert breaker.run(damage.format(child=breaker.id(request_id(asked)), other=breaker.id(other))) == 1
    assert [one.promise for one in store.audit() if one.execution_id == parent.id and words in one.detail] == [promise]


def test_g7_one_damaged_row_hides_no_other_finding(store: Store, ids: dict[str, str], breaker: Breaker) -> None:
    """Nor does it end the audit with an error of the database."""
    garbage = {
        "sqlite": ("x'ff'", f"x'{'ff' * 43}22'", "cast(x'ff41' as text)", "key"),
        "postgres": ("'\\xff'", f"'\\x{'ff' * 43}22'", "'?A'", "key"),
        "mysql": ("x'ff'", f"x'{'ff' * 43}22'", "x'ff41'", "idempotency_key"),
    }
    short, long, text, key = garbage[breaker.NAME]
    asleep, done = breaker.id(ids["asleep"]), breaker.id(ids["done"])
    assert breaker.run(f"update hydra_record set kind = 'spawn', payload = {long} where execution_id = {asleep}") == 1
    spawned = f"set kind = 'event', name = 'hydra.spawned:nobody', payload = {long} where execution_id = {done}"
    assert breaker.run(f"update hydra_record {spawned} and seq = 2") == 1
    assert breaker.run(f"update hydra_record set payload = {short} where execution_id = {done} and seq = 3") == 1
    keyed = breaker.id(ids["keyed"])
    assert breaker.run(f"update hydra_key set {key} = {text} where execution_id = {keyed}") == 1
    breaker.run(f"delete from hydra_claim where execution_id = {done}")
    found = {(one.execution_id, one.promise) for one in store.audit()}
    assert found >= {(ids["done"], "G4"), (ids["keyed"], "R24")}


@pytest.mark.parametrize("database", STORES)
def test_every_question_of_the_audit_is_answered_by_a_test_that_breaks_its_promise(database: str) -> None:
    folder = files(f"hydra.stores.{database}").joinpath("audits")
    questions = {file.name.removesuffix(".sql") for file in folder.iterdir()}
    assert questions == {BREAKS[name].question for store, name in CASES if store == database}


@pytest.mark.parametrize("database", STORES)
def test_every_promise_that_the_audit_names_is_broken_by_a_test(database: str) -> None:
    """A question may be about several."""
    folder = files(f"hydra.stores.{database}").joinpath("audits")
    named = {
        (file.name.removesuffix(".sql"), promise)
        for file in folder.iterdir()
        for promise in PROMISE.findall(file.read_text("utf-8"))
    }
    assert named == {(BREAKS[name].question, BREAKS[name].promise) for store, name in CASES if store == database}


def test_an_audit_of_one_namespace_does_not_report_another(
    open_another: Callable[..., Store], ids: dict[str, str], breaker: Breaker
) -> None:
    breaker.run(f"delete from hydra_claim where execution_id = {breaker.id(ids['done'])}")
    other = open_another("tenant")
    submit(other)
    assert other.audit() == []
