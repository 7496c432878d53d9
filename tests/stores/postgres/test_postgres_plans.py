"""Every statement of a node takes the index its file names, whatever the statistics say.

A node's session plans each statement once, for any parameters, when the tables may be empty; the plan must still serve
when there are a million rows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from hydra import _core
from hydra.execution import End, Ending, ExecutionCommit, Message, Progress, Record, RecordKind, Status
from hydra.limits import LimitSpec
from hydra.records import child_records
from hydra.stores.filter import Filter
from hydra.stores.node_states import Advanced
from hydra.stores.postgres import session
from hydra.stores.postgres.arrays import bigints, texts, uuids
from hydra.stores.postgres.session import Step
from hydra.stores.postgres.statements import statements
from hydra.stores.workflow_info import WorkflowInfo

from tests.stores.postgres_stage import PostgresStage
from tests.stores.racing import NOW, ended, record, recorded, submission
from tests.stores.schedule_values import fired

pytestmark = pytest.mark.fresh_database

SMALL = {
    "hydra_child_late",
    "hydra_count",
    "hydra_node",
    "hydra_node_beat",
    "hydra_workflow",
    "hydra_node_workflow",
    "hydra_schema",
}
TYPES = {0: "unknown", 17: "bytea", 20: "bigint", 2950: "uuid", 2951: "uuid[]", 1016: "bigint[]", 1007: "integer[]"}
TYPES |= {25: "text", 1009: "text[]", 1001: "bytea[]"}
LIMITS = [
    LimitSpec("by_turns", "tenant", 1),
    LimitSpec("concurrency", "card", 2),
    LimitSpec("rate", "psp", 100, per_us=1_000_000, burst=20),
]
ALL_KEYS = ("by_turns:tenant:a", "concurrency:card:a", "rate:psp:a")
ONE_ROW = {"fence"}
FEW = {"clashing_messages": {"aside for each of i", "i for each of aside"}}  # set aside, and sent once more
SITUATIONS = ["new", "analyzed while empty", "analyzed with a few rows"]


def live_a_life(stage: PostgresStage) -> None:
    """Every verb of a node and of programs that writes."""
    store, node = stage.a, stage.node_a
    store.submit(
        [submission(key=_core.uuid7()), submission(), submission(timeout_us=5), submission(run_at=NOW + 5)], NOW
    )
    first, second, third, *_ = store.claim(node, ["bill", "dun"], 10, NOW)
    store.commit(node, [recorded(first, record(1)), recorded(second)], NOW)
    store.commit(node, [ended(first, "completed", record(2)), ended(second, "released", record(1))], NOW)
    store.signal([Message(_core.uuid7(), third.id, "approved", b"", NOW)], NOW)
    store.heartbeat_node(node, NOW)
    store.promote(NOW + 10, 10)
    store.request_cancel([third.id], NOW)
    store.recover(node, [third.id])
    store.retry([third.id], NOW)
    store.resume([third.id], NOW)
    store.resync(node)
    store.mark_dead(stage.node_b.id, None, NOW)
    store.return_executions(NOW, 10)


def live_with_limits(stage: PostgresStage) -> None:
    """Every move of a look: slots, turns, tokens, another key, and back; what is delayed, late and asleep."""
    store, node = stage.a, stage.node_a
    infos = [WorkflowInfo("bill", b"{}", None, "code", limits=LIMITS)]
    store.register_workflows(node, infos, NOW)
    for keys in (ALL_KEYS, ALL_KEYS[1:], ALL_KEYS[2:]):
        store.submit([submission(limit_keys=keys) for _ in range(3)], NOW)
    store.submit([submission(limit_keys=ALL_KEYS, run_at=NOW + 1), submission(limit_keys=ALL_KEYS, timeout_us=1)], NOW)
    for round in range(2, 9):
        store.promote(NOW + round, 10)
        claimed = store.claim(node, ["bill"], 2, NOW + round)
        store.commit(node, [ended(each, "sleeping", wake_at=NOW + round, payload=b"") for each in claimed[:1]], NOW)
        store.commit(node, [ended(each, "completed", payload=b"") for each in claimed[1:]], NOW)


def live_with_families(stage: PostgresStage) -> None:
    """Children that are adopted, end and are cancelled; attributes, generations, schedules, crashes, orders."""
    store, node = stage.a, stage.node_a
    store.submit([submission(key="k")], NOW)
    (child,) = store.claim(node, ["bill"], 1, NOW)
    store.commit(node, [ended(child, "completed", payload=b"")], NOW)
    store.submit([submission(attributes={"a": b"s"})], NOW)
    (parent,) = store.claim(node, ["bill"], 1, NOW)
    asked = [child_asked(1, "k"), child_asked(2, None)]
    store.commit(node, [ExecutionCommit(parent.id, parent.epoch, asked, End(Ending.WAITING, payload=b""))], NOW)
    store.set_attributes(parent.id, {"a": b"t"}, NOW)
    message = Message(_core.uuid7(), parent.id, "approved", b"", NOW)
    store.signal([message, message], NOW)
    first, other = store.claim(node, ["bill"], 2, NOW)
    store.report_progress(node, [Progress(first.id, "", "charge", 1, 1, b"", NOW, NOW)], NOW)
    store.commit(node, [ended(first, "continued", payload=b"next"), ended(other, "failed", payload=b"")], NOW)
    store.retry([other.id], NOW)
    store.park(node.id, [Advanced(first.id, 9, 9)], "behind", b"", NOW)
    fired(store, node)
    store.change_schedules([], NOW)
    store.mark_dead(stage.node_b.id, None, NOW)
    store.record_crashes(stage.node_b.id, [recorded(first, record(1))], NOW)
    store.purge(NOW + 1, 10)


def child_asked(seq: int, key: str | None) -> Record:
    payload = child_records.encode_request(submission(key=key))
    return Record(seq, RecordKind.SPAWN, "", "hydra.spawn:bill", 0, 1, b"d" * 16, payload, NOW, NOW)


ONE_BY_ONE = {
    "drop_slots": "hydra_slot",
    "end_key_pauses": "hydra_key_pause",
    "gate_elders": "hydra_execution",
    "gate_queues": "hydra_execution",
    "limit_bounds": "hydra_limit",
    "limit_use": "hydra_execution",
    "lock_limit_keys": "hydra_limit_key",
    "paused_keys": "hydra_key_pause",
    "register_limits": "hydra_limit_key",
    "set_limit_keys": "hydra_limit_key",
    "slots": "hydra_slot",
    "try_limit_keys": "hydra_limit_key",
    "waiting_count": "hydra_execution",
    "weights": "hydra_weight",
}
WRITING = {
    live_a_life: {"claim", "commit_records", "commit_finals", "commit_ends", "heartbeat", "promote"},
    live_with_limits: {"give_turns", "move_gates", "open_gates", "take_slots", "drop_slots", "wait_at_gates"},
    live_with_families: {
        "add_children",
        "tell_parents",
        "signal",
        "set_attributes",
        "record_crashes",
        "fire_schedules",
    },
}


@pytest.fixture
def sent(stage: PostgresStage, monkeypatch: pytest.MonkeyPatch) -> dict[str, Step]:
    """The statements that node a sends, by name."""
    found: dict[str, Step] = {}
    database = stage.a._database
    send = database.send

    def noted(*steps: Step) -> object:
        found.update({step[0]: step for step in steps})
        return send(*steps)

    monkeypatch.setattr(database, "send", noted)
    return found


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("live", [live_a_life, live_with_limits])
def test_no_statement_of_a_node_reads_a_table_or_an_index_from_end_to_end(
    stage: PostgresStage, sent: dict[str, Step], live: Callable[[PostgresStage], None], situation: str
) -> None:
    if situation == "analyzed with a few rows":
        live(stage)
        stage = PostgresStage(stage.a, stage.b, stage.raw)
    if situation != "new":
        stage.raw.execute("vacuum analyze")
    live(stage)
    assert WRITING[live] <= sent.keys()
    first = first_columns(stage)
    whole = {n: found for n, step in sent.items() if (found := list(whole_reads(generic_plan(stage, step), first)))}
    assert whole == {}


@pytest.mark.parametrize("live", list(WRITING))
def test_no_statement_of_a_node_holds_each_row_of_a_batch_against_each_of_another(
    stage: PostgresStage, sent: dict[str, Step], live: Callable[[PostgresStage], None]
) -> None:
    """The planner thinks a batch has ten rows; of five hundred that would be a quarter of a million comparisons."""
    live(stage)
    assert WRITING[live] <= sent.keys()
    found = {name: set(held_against_each(generic_plan(stage, step))) for name, step in sent.items()}
    assert {name: pairs for name, all in found.items() if (pairs := all - FEW.get(name, set()))} == {}


def held_against_each(plan: Any) -> Iterator[str]:
    """Pairs of batches (an array, or what another part found): one is read anew for each row of the other."""
    parts = plan.get("Plans", [])
    if plan["Node Type"] == "Nested Loop":
        outer, inner = own_parts(plan)
        yield from pairs(inner, outer)
    told = str({name: value for name, value in plan.items() if name != "Plans"})
    for part in parts:
        if part["Parent Relationship"] == "SubPlan" and f"hashed {part['Subplan Name']}" not in told:
            yield from pairs(part, plan)
        yield from held_against_each(part)


def pairs(inner: Any, outer: Any) -> Iterator[str]:
    for one in batches(inner):
        yield from (f"{one} for each of {other}" for other in batches(outer))


def own_parts(plan: Any) -> list[Any]:
    return [each for each in plan.get("Plans", []) if each["Parent Relationship"] not in ("InitPlan", "SubPlan")]


def batches(plan: Any) -> set[str]:
    """What is read here without an index."""
    if plan["Node Type"] == "CTE Scan":
        return {plan["CTE Name"]} - ONE_ROW
    if plan["Node Type"] == "Function Scan":
        return {re.sub(r"_\d+$", "", plan["Alias"])}
    return {name for each in own_parts(plan) for name in batches(each)}


def first_columns(stage: PostgresStage) -> dict[str, str]:
    """Of each index."""
    names = "select c.relname, pg_get_indexdef(i.indexrelid, 1, true)"
    return dict(stage.raw.execute(f"{names} from pg_index as i join pg_class as c on c.oid = i.indexrelid").fetchall())


def test_a_claim_walks_its_queues_in_order(stage: PostgresStage, sent: dict[str, Step]) -> None:
    stage.claim_a()
    plan = json.dumps(generic_plan(stage, sent["claim"]))
    assert plan.count('"hydra_execution_ready"') == 2
    assert plan.count('"Sort"') == 2, "only the heads of several queues, against each other, and what is to be taken"


def test_a_page_of_what_is_pending_sorts_nothing_even_without_statistics(stage: PostgresStage) -> None:
    stage.a.submit([submission() for _ in range(2_000)], NOW)
    plan = plan_of_a_page(stage, "list_pending")
    assert "Sort" not in plan and "Seq Scan" not in plan, plan


@pytest.mark.parametrize("situation", SITUATIONS[:2])
@pytest.mark.parametrize("status", ["running", "sleeping", "waiting", "parked"])
def test_a_page_of_what_does_not_wait_in_the_queue_passes_the_queue_by(
    stage: PostgresStage, status: str, situation: str
) -> None:
    if situation != "new":
        stage.raw.execute("vacuum analyze")
    stage.a.submit([submission() for _ in range(2_000)], NOW)
    one, other = stage.claim_a(2)
    if status != "running":
        stage.a.commit(stage.node_a, [ended(each, status, wake_at=NOW + 5, payload=b"") for each in (one, other)], NOW)
    name = "list_running" if status == "running" else "list_suspended"
    plan = plan_of_a_page(stage, name, status)
    index = "hydra_execution_owner" if status == "running" else "hydra_execution_notable"
    assert index in plan and "Seq Scan on hydra_execution" not in plan, plan
    assert "hydra_execution_pkey" not in plan, plan
    assert [each.id for each in stage.a.list(Filter(Status(status)))] == sorted([one.id, other.id], reverse=True)


def test_the_depth_of_the_queue_is_counted_past_what_sleeps(stage: PostgresStage) -> None:
    stage.a.submit([submission() for _ in range(2_000)], NOW)
    claimed = stage.claim_a(1_900)
    stage.a.commit(stage.node_a, [ended(each, "sleeping", wake_at=NOW + 5) for each in claimed], NOW)
    stage.a.submit([submission(run_at=NOW + 9) for _ in range(3)], NOW)
    for _ in range(2):
        values = {"namespace": "default", "limit": 50}
        row = stage.raw.execute(b"explain (analyze, format json) " + statements()["pending_count"], values).fetchone()
        assert row is not None
        assert sorted(rows_read(row[0][0]["Plan"])) == [3, 50]
        stage.raw.execute("vacuum analyze")


@pytest.mark.parametrize("name, table", sorted(ONE_BY_ONE.items()))
def test_a_look_finds_keys_and_slots_one_by_one_by_any_statistics(stage: PostgresStage, name: str, table: str) -> None:
    """A session keeps the plan that it made when the table had one row: none may be found by the namespace alone."""
    stage.raw.execute(f"alter table {table} set (autovacuum_enabled = off)")
    for situation in ("new", "with one row"):
        if situation != "new":
            stage.a.submit([submission(limit_keys=("by_turns:f:a",))], NOW)
            stage.raw.execute("insert into hydra_slot select 'default', 'by_turns:f:a', gen_random_uuid(), 1")
            stage.raw.execute("insert into hydra_limit_key select 'default', 'by_turns:f:a', 1, 1")
            stage.raw.execute("insert into hydra_key_pause select 'default', 'by_turns:f:a', 1, 1, '', ''")
            stage.raw.execute("insert into hydra_weight select 'default', 'by_turns:f:a', 1")
            stage.raw.execute("insert into hydra_limit select 'default', 'by_turns', 'f', 1, 1, 1")
            stage.raw.execute(f"vacuum analyze {table}")
        one = {"keys": texts(["by_turns:f:a"]), "ids": uuids([_core.uuid7()]), "now": 1}
        one |= {"due_ats": bigints([1]), "look_ats": bigints([None]), "namespace": "default"}
        one |= {"kinds": texts(["by_turns"]), "names": texts(["f"]), "rooms": bigints([9]), "limit": 9, "most": 9}
        one |= {"key": "by_turns:f:a", "first": "by_turns:f:", "last": "by_turns:f;"}
        one |= {each: bigints([1]) for each in ("counts", "pers_us", "bursts")}
        plan = generic_plan(stage, (name, one))
        conditions = list(conditions_on(plan, table))
        assert conditions, plan
        known = "limit_key|execution_id|name = i.name|gate >|gate =|id = "
        assert all(re.search(known, each) for each in conditions), conditions


def conditions_on(plan: Any, table: str) -> Iterator[str]:
    """Of each way to the table but by a row's place."""
    if plan.get("Relation Name") == table and "Scan" in plan["Node Type"] and "TID Cond" not in plan:
        yield plan.get("Index Cond", "")
    for each in plan.get("Plans", []):
        yield from conditions_on(each, table)


def rows_read(plan: Any) -> Iterator[int]:
    """By each way that leads to the table, those included that it does not let through."""
    if "Scan" in plan["Node Type"] and "Relation Name" in plan:
        yield round(plan["Actual Rows"]) + plan.get("Rows Removed by Filter", 0)
    for each in plan.get("Plans", []):
        yield from rows_read(each)


def plan_of_a_page(stage: PostgresStage, name: str, status: str = "pending") -> str:
    values = {"namespace": "default", "status": status, "before": _core.uuid7(), "limit": 10}
    values |= {"workflow": None, "key": None, "tags": None, "after": None, "since": None, "until": None}
    rows = stage.raw.execute(b"explain " + statements()[name], values).fetchall()
    return "\n".join(row[0] for row in rows)


def generic_plan(stage: PostgresStage, step: Step) -> object:
    """As a session of node a plans it."""
    name, parameters = step
    sql, names = session._numbered(statements()[name])
    types = [TYPES[oid] for oid in session._encode([parameters[each] for each in names])[2]]
    with stage.a._database.connect(stage.a._database._write_settings()) as connection:
        declared = f"({', '.join(types)})" if types else ""
        connection.execute(f"prepare explained {declared} as {sql.decode()}".encode())
        nothing = f"({', '.join(['null'] * len(types))})" if types else ""
        row = connection.execute(f"explain (verbose, format json) execute explained {nothing}".encode()).fetchone()
        assert row is not None
        return row[0][0]["Plan"]


def whole_reads(plan: object, first: Mapping[str, str]) -> Iterator[str]:
    """Tables that grow and are read without a condition on the first column of an index: a session keeps such a plan,
    made while all of an index was one page."""
    if isinstance(plan, list):
        for each in plan:
            yield from whole_reads(each, first)
    elif isinstance(plan, dict):
        named = {plan.get("Relation Name", "hydra_node"), plan.get("Index Name")}
        if re.search("Scan", plan["Node Type"]) and not named & SMALL:
            column = first.get(plan.get("Index Name", ""))
            if "TID Cond" not in plan and (column is None or f"{column} = " not in plan.get("Index Cond", "")):
                yield f"{plan['Node Type']} of {plan['Relation Name']} by {plan.get('Index Name')}"
        yield from whole_reads(plan.get("Plans", []), first)


@pytest.mark.parametrize("situation", ["new", "analyzed"])
@pytest.mark.parametrize("way", ["", "_upwards"])
def test_attributes_lead_to_what_has_them(stage: PostgresStage, situation: str, way: str) -> None:
    """One value by its own index in the order of ids, rare or not; much of a range by the primary key."""
    keys = {"state": b"sdone", "customer": b"sc-17"}
    stage.a.submit([submission(attributes=keys if not n else {"state": b"sdone"}) for n in range(3_000)], NOW)
    if situation == "analyzed":
        stage.raw.execute("vacuum analyze")
    for name, key in keys.items():
        plan = plan_by_attribute(stage, f"list_by_value{way}", name, key)
        assert "hydra_attribute_value" in plan and "Sort" not in plan and "Seq Scan" not in plan, plan
    plan = plan_by_attribute(stage, f"list_by_range{way}", "customer", keys["customer"])
    assert "hydra_attribute_value" in plan and "Seq Scan" not in plan, plan
    plan = plan_by_attribute(stage, f"list_by_wide_range{way}", "state", b"sdone")
    assert "hydra_attribute_pkey" in plan and "Sort" not in plan and "Seq Scan" not in plan, plan


def plan_by_attribute(stage: PostgresStage, list: str, name: str, key: bytes) -> str:
    values = {"namespace": "default", "status": None, "before": None, "after": None, "limit": 10, "workflow": None}
    values |= {"key": None, "tags": None, "since": None, "until": None, "other_count": 0}
    values |= {"name": name, "low": key, "high": key + b"\0", "names": [""], "lows": [b""], "highs": [b""]}
    rows = stage.raw.execute(b"explain " + statements()[list], values).fetchall()
    return "\n".join(row[0] for row in rows)
