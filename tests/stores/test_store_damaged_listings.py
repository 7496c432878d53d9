"""One row that cannot be decoded hides no other: from no list, no count, no reader of one execution, no node (G7)."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

import psycopg
import pytest
from hydra import _core, schedules
from hydra.client.signatures import KnownSignatures
from hydra.cron import Cron
from hydra.definitions import BoundWorkflow
from hydra.dispatch.events import Beaten, Resynced, SendBeat, SendResync
from hydra.errors import PayloadError
from hydra.execution import ExecutionCommit, Message, Progress, Status
from hydra.limits import LimitSpec
from hydra.schedules import ScheduleSpec
from hydra.stores import rows
from hydra.stores.filter import Filter
from hydra.stores.key_pauses import KeyPause
from hydra.stores.pauses import Pause, PauseKind
from hydra.stores.rows import UNREADABLE
from hydra.stores.store import Store
from hydra.stores.workflow_info import WorkflowInfo

from tests.servers.mysql import connect
from tests.stores.store_values import NOW, WORKFLOW, record, register, submission
from tests.stores.test_store_thread import Registered

OTHER = "ship"  # the workflow whose rows are damaged, where a row is of a workflow
A_NUMBER, A_TEXT = "'7'", "{bad}"  # where an object or a list belongs, and what is not UTF-8
PAUSED_KEYS = ["concurrency:deploy:a", "concurrency:deploy:b"]
BY_NAME, BY_ID = f"name = '{OTHER}'", "{id}"

# What is wrong, by what it is wrong with: table, column, value, and which row. The second table is MySQL's.
JSON_COLUMNS = [
    ("hydra_node", "labels", "host = 'another'"),
    ("hydra_workflow", "labels", BY_NAME),
    ("hydra_submission hydra_execution", "limit_keys", BY_ID),
    ("hydra_schedule", "spec", BY_NAME),
    ("hydra_schedule", "progress", BY_NAME),
]
TEXT_COLUMNS = [
    ("hydra_execution", "cause", BY_ID),
    ("hydra_execution", "workflow", BY_ID),
    ("hydra_submission hydra_execution", "key idempotency_key", BY_ID),
    ("hydra_record", "name", BY_ID),
    ("hydra_message", "name", BY_ID),
    ("hydra_progress", "name", BY_ID),
    ("hydra_node", "host", "host = 'another'"),
    ("hydra_workflow", "code_version", BY_NAME),
    ("hydra_pause", "reason", BY_NAME),
    ("hydra_key_pause", "reason", f"limit_key = '{PAUSED_KEYS[1]}'"),
    ("hydra_limit", "name", BY_NAME),
]


class Scene:
    """A node that runs three executions, each with a record, a message and a word of progress; two of all else."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.node = Registered(store)
        another = register(store)
        limits = [LimitSpec("concurrency", name, 2) for name in (WORKFLOW, OTHER)]
        store.register_workflows(
            another,
            [
                WorkflowInfo(name, b'{"parameters": []}', None, "code", labels=("gpu",), limits=limits)
                for name in (WORKFLOW, OTHER)
            ],
            NOW,
        )
        spec = ScheduleSpec.of(Cron("* * * * *"), None)
        store.upsert_schedules(another, [schedules.register(name, spec, None, NOW) for name in (WORKFLOW, OTHER)], NOW)
        for name in (WORKFLOW, OTHER):
            store.pause(Pause(PauseKind.WORKFLOW, name, NOW, "somebody", "a reason"))
        store.unpause(PauseKind.WORKFLOW, WORKFLOW)
        store.pause(Pause(PauseKind.NODE, another.id, NOW, "somebody", "a reason"))
        for key in PAUSED_KEYS:
            store.pause_key(KeyPause(key, None, NOW, "somebody", "a reason"))
        now = self.node.clock.now()
        store.submit([submission(key=f"invoice {number}") for number in range(3)], now)
        self.ids = sorted(each.id for each in self.node.claim())
        assert len(self.ids) == 3
        writer = self.node.thread.membership.node
        assert writer is not None
        assert all(store.commit(writer, [ExecutionCommit(id, 1, [record(1)]) for id in self.ids], now))
        store.signal([Message(_core.uuid7(), id, "approved", b"yes", now) for id in self.ids], now)
        store.report_progress(writer, [Progress(id, "", "charge", 1, 1, b"half", now, now) for id in self.ids], now)

    @property
    def node_id(self) -> str:
        node = self.node.thread.membership.node
        assert node is not None
        return node.id

    def read(self) -> dict[str, list[Any]]:
        """Everything that is shown to anybody."""
        store = self.store
        stats = store.stats(self.node.clock.now())
        return {
            "list": store.list(Filter()),
            "running": store.list(Filter(status=Status.RUNNING)),
            "get": store.get(self.ids),
            "outcomes": store.outcomes(self.ids),
            "records": [store.records(id) for id in self.ids],
            "histories": sorted(store.histories(self.ids).items()),
            "waits": [store.waits(id) for id in self.ids],
            "messages": [store.messages(id) for id in self.ids],
            "claims": [store.claims(id) for id in self.ids],
            "progress": [store.progress(id) for id in self.ids],
            "nodes": sorted(store.nodes(), key=lambda node: node.info.id),
            "servers": sorted(store.servers().items()),
            "workflows": sorted(store.workflows(), key=lambda info: info.name),
            "schedules": sorted(store.schedules(), key=lambda state: state.name),
            "pauses": sorted(store.pauses(), key=lambda pause: (pause.kind, pause.name)),
            "key pauses": store.key_pauses("concurrency:", "concurrency;", 10),
            "limits": sorted(store.limits(), key=lambda limit: limit.name),
            "alive": [stats.nodes_alive],
            "counts": sorted(stats.counts.items()),
        }


@pytest.mark.parametrize(
    ("table", "column", "row", "value"),
    [(*each, A_NUMBER) for each in JSON_COLUMNS] + [(*each, A_TEXT) for each in TEXT_COLUMNS],
)
def test_g7_a_damaged_row_hides_no_other(
    open_another: Callable[..., Store], url: str, table: str, column: str, row: str, value: str
) -> None:
    if url.startswith("postgres") and value == A_TEXT:
        pytest.skip("PostgreSQL takes no text that is not UTF-8")
    store = open_another()
    scene = Scene(store)
    execute(url, f"update hydra_node set host = 'another' where id <> {quoted(url, scene.node_id)}")
    before = scene.read()
    is_mysql = url.startswith("mysql")
    table, column = (each.split()[-1 if is_mysql else 0] for each in (table, column))
    key = "id" if table == "hydra_execution" else "execution_id"
    execute(url, f"update {table} set {column} = {value} where {row.format(id=f'{key} = {quoted(url, scene.ids[1])}')}")

    after = scene.read()
    for verb, found in after.items():
        is_skipped = verb == "schedules" and column in ("spec", "progress")
        assert len(found) == len(before[verb]) - is_skipped, verb
        differing = [each for each in found if each not in before[verb]]
        assert len(differing) <= 1, (verb, differing)
    (resynced,) = scene.node.do(SendResync(scene.ids))
    assert isinstance(resynced, Resynced)
    assert sorted(each.id for each in resynced.owned) == scene.ids == sorted(each.id for each in resynced.found)
    (beaten,) = scene.node.do(SendBeat([], dict.fromkeys(scene.ids, 0)))
    assert isinstance(beaten, Beaten) and beaten.beat.running_count == 3
    assert len(beaten.beat.messages) == 3


def test_g7_a_schedule_that_cannot_be_read_is_told_of_once(
    open_another: Callable[..., Store], url: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = open_another()
    scene = Scene(store)
    execute(url, f"update hydra_schedule set spec = {A_NUMBER} where {BY_NAME}")
    rows._tell_unreadable.cache_clear()  # another test may have met the like
    for _ in range(3):
        assert [state.name for state in scene.store.schedules()] == [WORKFLOW]
    assert caplog.text.count(f"schedule `{OTHER}` fires no more: its row in the database cannot be read") == 1


def test_g7_labels_and_limits_that_cannot_be_read_are_shown_as_such(
    open_another: Callable[..., Store], url: str
) -> None:
    store = open_another()
    scene = Scene(store)
    execute(url, f"update hydra_workflow set labels = {A_NUMBER} where {BY_NAME}")
    assert {info.name: info.labels for info in store.workflows()} == {WORKFLOW: ("gpu",), OTHER: (UNREADABLE,)}
    table, key = ("hydra_execution", "id") if url.startswith("mysql") else ("hydra_submission", "execution_id")
    execute(url, f"update {table} set limit_keys = {A_NUMBER} where {key} = {quoted(url, scene.ids[0])}")
    assert [each and each.limit_keys for each in store.get(scene.ids)] == [(UNREADABLE,), (), ()]


def test_g7_a_signature_that_cannot_be_read_takes_no_other_along() -> None:
    good = b'{"parameters": [{"name": "n", "kind": "any", "required": true, "schema": {"type": "integer"}}]}'
    infos = [WorkflowInfo(name, b"{", None, "code") for name in ("broken", "another")]
    infos.append(WorkflowInfo("fine", good, None, "code"))
    known = KnownSignatures(lambda: infos)
    known.check([BoundWorkflow("broken", ("anything",), {}, None), BoundWorkflow("fine", (1,), {}, None)])
    with pytest.raises(PayloadError, match="`n` must be an integer"):
        known.check([BoundWorkflow("fine", ("x",), {}, None)])


def quoted(url: str, id: str) -> str:
    return f"x'{id.replace('-', '')}'" if url.startswith("mysql") else f"'{id}'"


def execute(url: str, sql: str) -> None:
    """A statement past hydra, which touches one row."""
    connection: Any
    if url.startswith("sqlite"):
        connection, bad = sqlite3.connect(url.removeprefix("sqlite:///"), timeout=30), "cast(x'ff41' as text)"
    elif url.startswith("postgres"):
        connection, bad = psycopg.connect(url), ""
    else:
        connection, bad = connect(url), "x'ff41'"
    with closing(connection):
        cursor = connection.cursor()
        cursor.execute(sql.format(bad=bad))
        assert cursor.rowcount == 1
        connection.commit()
