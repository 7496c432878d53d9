"""Texts compare to the byte and instants mean what they say, whatever the server's defaults are."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec
import pymysql
import pytest
from hydra import _core
from hydra.errors import ConfigError
from hydra.stores.filter import Filter
from hydra.stores.mysql import MysqlStore

from tests.stores.mysql_stage import Behind
from tests.stores.racing import NOW, node_info, submission

LOOKALIKES = ["a", "A", "a ", " a", "ä", "a\u0308", "á", "\uff41", "ß", "ss"]


def test_keys_that_look_alike_are_different_keys(open_store: Callable[..., MysqlStore]) -> None:
    store = open_store()
    made = store.submit([submission(key=key) for key in LOOKALIKES], NOW)
    assert [answer.created for answer in made] == [True] * len(LOOKALIKES)
    for key, answer in zip(LOOKALIKES, made, strict=True):
        found = store.find("bill", key)
        assert found is not None and (found.id, found.key) == (answer.id, key)


def test_workflows_that_look_alike_are_different_workflows(open_store: Callable[..., MysqlStore]) -> None:
    store = open_store()
    node = store.register_node(node_info(), NOW)
    template = submission(key="one")
    for name in LOOKALIKES:
        (answer,) = store.submit([msgspec.structs.replace(template, id=_core.uuid7(), workflow=name)], NOW)
        assert answer.created
    assert [execution.workflow for execution in store.claim(node, ["A"], 10, NOW)] == ["A"]
    assert len(store.list(Filter(workflow="a "))) == 1
    assert set(store.stats(NOW).counts) == set(LOOKALIKES)


def test_namespaces_that_look_alike_are_different_namespaces(open_store: Callable[..., MysqlStore]) -> None:
    lower, upper = open_store(namespace="billing"), open_store(namespace="Billing")
    assert lower.submit([submission(key="one")], NOW)[0].created
    assert upper.submit([submission(key="one")], NOW)[0].created
    assert len(lower.list(Filter())) == 1


def test_the_servers_time_zone_changes_no_instant(open_store: Callable[..., MysqlStore]) -> None:
    before = time.time_ns() // 1000
    now = open_store().now()
    assert before - 1_000_000 <= now <= time.time_ns() // 1000 + 1_000_000


def test_tags_are_found_to_the_byte(open_store: Callable[..., MysqlStore]) -> None:
    store = open_store()
    tags = [{"run": "1"}, {"run": "1 "}, {"a": "b", "run": "1"}, {'"run': "1"}, {"x": '"run":"1"'}, {"run": "ä\\"}]
    ids = [answer.id for answer in store.submit([submission(tags=one) for one in tags], NOW)]
    found = [snapshot.id for snapshot in store.list(Filter(tags={"run": "1"}))]
    assert sorted(found) == sorted([ids[0], ids[2]])
    assert [snapshot.id for snapshot in store.list(Filter(tags={"run": "ä\\"}))] == [ids[5]]


@pytest.mark.parametrize("cursor", [pymysql.cursors.Cursor, pymysql.cursors.DictCursor])
def test_a_submission_in_a_callers_transaction_commits_or_vanishes_with_it(
    open_store: Callable[..., MysqlStore], mysql_url: str, cursor: type
) -> None:
    store, caller = open_store(), Behind(mysql_url).connection
    caller.cursorclass = cursor
    caller.begin()
    (kept,) = store.submit_in(caller, [submission(key="inv-1")], NOW)
    assert kept.created and store.list(Filter()) == []
    caller.commit()
    caller.begin()
    (again, gone) = store.submit_in(caller, [submission(key="inv-1"), submission(key="inv-2")], NOW)
    assert (again.id, again.created, gone.created) == (kept.id, False, True)
    caller.rollback()
    assert [snapshot.id for snapshot in store.list(Filter())] == [kept.id]
    assert store.audit() == []


def test_a_conflict_in_a_callers_transaction_creates_nothing(
    open_store: Callable[..., MysqlStore], mysql_url: str
) -> None:
    store, caller = open_store(), Behind(mysql_url).connection
    store.submit([submission(key="inv-1")], NOW)
    caller.begin()
    other = msgspec.structs.replace(submission(key="inv-1"), digest=b"x" * 16)
    answers = store.submit_in(caller, [submission(), other], NOW)
    assert [answer.conflict for answer in answers] == [False, True]
    caller.commit()
    assert len(store.list(Filter())) == 1
    assert store.audit() == []


def test_an_older_snapshot_of_the_caller_hides_no_key(open_store: Callable[..., MysqlStore], mysql_url: str) -> None:
    store, caller = open_store(), Behind(mysql_url)  # the server's default is REPEATABLE READ
    caller.connection.begin()
    caller.run("select count(*) from hydra_execution")
    (first,) = store.submit([submission(key="inv-1")], NOW)
    (known,) = store.submit_in(caller.connection, [submission(key="inv-1")], NOW)
    assert (known.id, known.created) == (first.id, False)
    caller.connection.rollback()


def test_a_callers_open_transaction_holds_up_nobody(open_store: Callable[..., MysqlStore], mysql_url: str) -> None:
    store, caller = open_store(), Behind(mysql_url).connection
    caller.begin()
    store.submit_in(caller, [submission()], NOW)
    for _ in range(100):  # whatever slot of the tallies is whose
        store.submit([submission()], NOW)
    caller.commit()
    assert store.stats(NOW).counts == {"bill": {"pending": 101}}
    node = store.register_node(node_info(), NOW)
    store.heartbeat_node(node, NOW)  # folds what the caller left
    assert Behind(mysql_url).run("select count(*) from hydra_delta") == [(0,)]
    assert store.stats(NOW).counts == {"bill": {"pending": 101}}


def test_beats_that_leave_with_their_commit_fold_what_the_one_before_saw(
    open_store: Callable[..., MysqlStore], mysql_url: str
) -> None:
    store, caller = open_store(), Behind(mysql_url).connection
    node = store.register_node(node_info(), NOW)
    caller.begin()
    store.submit_in(caller, [submission()], NOW)
    caller.commit()
    store.heartbeat_node(node, NOW, is_last=True)
    store.heartbeat_node(node, NOW, is_last=True)
    assert Behind(mysql_url).run("select count(*) from hydra_delta") == [(0,)]
    assert store.stats(NOW).counts == {"bill": {"pending": 1}}


def test_what_a_caller_commits_is_news(open_store: Callable[..., MysqlStore], mysql_url: str) -> None:
    store, caller = open_store(), Behind(mysql_url).connection
    assert store.wait_for_change(0)  # the first look is always news
    assert not store.wait_for_change(0.05)
    caller.begin()
    store.submit_in(caller, [submission()], NOW)
    assert not store.wait_for_change(0.05)
    caller.commit()
    assert store.wait_for_change(20)


@pytest.mark.parametrize("what", ["nothing", "no transaction", "another database"])
def test_a_connection_that_cannot_be_joined_gets_one_sentence(
    open_store: Callable[..., MysqlStore], mysql_url: str, what: str
) -> None:
    store, caller = open_store(), Behind(mysql_url)
    sentences = {"nothing": "is a `object`", "no transaction": "no open transaction", "another database": "is not in"}
    if what == "another database":
        caller.run("use information_schema")
    with pytest.raises(ConfigError, match=sentences[what]):
        store.submit_in(object() if what == "nothing" else caller.connection, [submission()], NOW)
    assert store.list(Filter()) == []
