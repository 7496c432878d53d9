"""What is done to a healthy database, and what the audit must say of it.

`statement` is for all stores or, as a dict, for each that has such a table; the last of several must meet a row. In
its braces stand ids of `test_store_audit.ids`, as literals of that database; `{ghost}` is nobody's id. `words` are a
part of the sentence, `whose` is the execution it must name; `question` is the file of `audits` that has to see it.
"""

from __future__ import annotations

from typing import NamedTuple

RECORD = "execution_id, seq, kind, branch, name, ordinal, attempt, digest, payload, started_at, finished_at, due_at"
CLAIM = "execution_id, epoch, attempt, node, worker, claimed_at, ended_at, ending, detail, payload"
LAST = "where execution_id = {done} and seq = 3"
OPEN_AGAIN = "id, run_at, epoch, priority, status, namespace, workflow, record_count"
KEY = {"sqlite": "key", "postgres": "key", "mysql": "idempotency_key"}
A_LIMIT = (
    "insert into hydra_limit (namespace, kind, name, count, per_us, burst) "
    "values ('default', 'concurrency', 'one', 1, 0, 0)"
)


class Break(NamedTuple):
    statement: str | dict[str, str]
    question: str
    promise: str
    words: str | dict[str, str]
    whose: str = ""


def each(statement: str) -> dict[str, str]:
    """The same with the column's name for an idempotency key."""
    return {store: statement.replace("<key>", key) for store, key in KEY.items()}


BREAKS: dict[str, Break] = {
    "a parent is not told of its child": Break(
        "insert into hydra_child (child_id, request_id, parent_id) values ({done}, {done}, {asleep})",
        "children",
        "R14",
        "was not told",
        "asleep",
    ),
    "a child is of no tree, so that it is not purged with its parent": Break(
        "insert into hydra_child (child_id, request_id, parent_id) values ({ready}, {ready}, {asleep})",
        "children",
        "R26",
        "is not of its tree",
        "asleep",
    ),
    "a parent that waits was never told of a child that has ended": Break(
        {
            "sqlite": "update hydra_record set kind = 'spawn', payload = cast('header\"' || {done} || '\"' as blob) "
            "where execution_id = {asleep}",
            "postgres": "update hydra_record set kind = 'spawn', "
            "payload = convert_to('header\"' || {done}::text || '\"', 'UTF8') where execution_id = {asleep}",
            "mysql": "update hydra_record set kind = 'spawn', payload = concat('header\"', "
            "insert(insert(insert(insert(lower(hex({done})), 9, 0, '-'), 14, 0, '-'), 19, 0, '-'), 24, 0, '-'), '\"') "
            "where execution_id = {asleep}",
        },
        "lost_ends",
        "R14",
        "no message or record tells it so",
        "asleep",
    ),
    "what failed goes on and nobody has ordered it": Break(
        "insert into hydra_act (execution_id, id, namespace, kind, done_at, done_by, done_from, reason, detail) "
        "values ({ghost}, {ghost}, 'default', 'pause', 1, 'ana', 'ana@host', '', '')",
        "acts",
        "G7",
        "it went on 1 times after it had failed or was parked, by 0 orders that are known",
    ),
    "a record is lost": Break(
        "delete from hydra_record where execution_id = {done} and seq = 2",
        "completeness_of_records",
        "R13",
        "record_count is 3, the log has 2",
        "done",
    ),
    "the last record is lost": Break(
        f"delete from hydra_record {LAST}",
        "completeness_of_records",
        "R13",
        "record_count is 3, the log has 2",
        "done",
    ),
    "the last record of what sleeps is lost": Break(
        "delete from hydra_record where execution_id = {asleep}",
        "completeness_of_records",
        "R13",
        "record_count is 1, the log has 0",
        "asleep",
    ),
    "a record too many": Break(
        f"insert into hydra_record ({RECORD}) select execution_id, 4, kind, branch, 'more', ordinal, attempt, digest, "
        f"payload, started_at, finished_at, due_at from hydra_record {LAST}",
        "completeness_of_records",
        "R13",
        "record_count is 3",
        "done",
    ),
    "a step has two outcomes": Break(
        f"update hydra_record set name = 'charge', ordinal = 1 {LAST}",
        "order_of_records",
        "G3",
        "outcomes at records 1 and 3",
        "done",
    ),
    "a step is tried after its outcome": Break(
        f"update hydra_record set kind = 'try', name = 'charge', ordinal = 1 {LAST}",
        "order_of_records",
        "G3",
        "tried again at record 3",
        "done",
    ),
    "a crash is recorded after its outcome": Break(
        f"update hydra_record set kind = 'crash', name = 'charge', ordinal = 1 {LAST}",
        "order_of_records",
        "G3",
        "tried again at record 3",
        "done",
    ),
    "tries go backwards": Break(
        "update hydra_record set kind = 'try', name = 'x', ordinal = 1, attempt = 3 - seq "
        "where execution_id = {done} and seq < 3",
        "order_of_records",
        "G4",
        "after try 2",
        "done",
    ),
    "a step is tried under one key with two sets of arguments": Break(
        "update hydra_record set kind = 'crash', name = 'ship', ordinal = 2, digest = 'another' "
        "where execution_id = {done} and seq = 1",
        "order_of_records",
        "G4",
        "has other arguments at record 2 than at record 1",
        "done",
    ),
    "a step is begun with other arguments than it ends": Break(
        "update hydra_record set kind = 'start', name = 'ship', ordinal = 2, digest = 'another' "
        "where execution_id = {done} and seq = 1",
        "order_of_records",
        "G4",
        "has other arguments at record 2 than at record 1",
        "done",
    ),
    "two tries of one number": Break(
        "update hydra_record set kind = 'crash', name = 'x', ordinal = 1 where execution_id = {done} and seq < 3",
        "order_of_records",
        "G4",
        "try 1 of step `x` #1 stands at record 2, after try 1 at record 1",
        "done",
    ),
    "a wait has two outcomes": Break(
        "update hydra_record set kind = 'event', name = 'hydra.event:paid', ordinal = 0 "
        "where execution_id = {done} and seq in (1, 3)",
        "order_of_records",
        "G3",
        "wait `hydra.event:paid` #0 has outcomes at records 1 and 3",
        "done",
    ),
    "a child is asked for twice": Break(
        "update hydra_record set kind = 'spawn', name = 'hydra.spawn:bill', ordinal = 0 "
        "where execution_id = {done} and seq in (1, 3)",
        "order_of_records",
        "G3",
        "spawn `hydra.spawn:bill` #0 has outcomes at records 1 and 3",
        "done",
    ),
    "a wait begins after its event": Break(
        "update hydra_record set kind = 'event', name = 'hydra.event:paid', ordinal = 0 "
        "where execution_id = {done} and seq = 1; "
        "update hydra_record set kind = 'wait', name = 'hydra.event:paid', ordinal = 0 "
        "where execution_id = {done} and seq = 3",
        "order_of_records",
        "G3",
        "wait `hydra.event:paid` #0 was tried again at record 3 after its outcome at record 1",
        "done",
    ),
    "a message is taken twice": Break(
        "update hydra_record set kind = 'event', name = 'hydra.event:paid', digest = 'an id of 16 bits' "
        "where execution_id = {done} and seq in (1, 3)",
        "taken_messages",
        "G3",
        "message `616e206964206f662031362062697473` was taken at records 1 and 3: compare what was done",
        "done",
    ),
    "a spawn names no child": Break(
        "update hydra_record set kind = 'spawn', name = 'hydra.spawn:bill', ordinal = 0 "
        "where execution_id = {done} and seq = 1",
        "spawns",
        "R14",
        "record 1 asked for a child, and what it keeps is no child's id",
        "done",
    ),
    "a success is superseded": Break(
        f"update hydra_record set kind = 'supersede', ordinal = 1 {LAST}",
        "superseded_failures",
        "G3",
        "supersedes record 1, which is a `step`",
        "done",
    ),
    "what is superseded does not exist": Break(
        f"update hydra_record set kind = 'supersede', ordinal = 9 {LAST}",
        "superseded_failures",
        "G3",
        "missing",
        "done",
    ),
    "what was never started is settled": Break(
        f"update hydra_record set kind = 'resolution' {LAST}",
        "resolutions",
        "G4",
        "which was never started",
        "done",
    ),
    "an outcome is lost": Break(
        "delete from hydra_claim where execution_id = {done}",
        "outcomes",
        "G1",
        "`completed` but its claim 1 ended nowhere",
        "done",
    ),
    "an outcome is another": Break(
        "update hydra_claim set ending = 'released' where execution_id = {done}",
        "outcomes",
        "G1",
        "ended `released`",
        "done",
    ),
    "a finished execution runs again": Break(
        {
            "sqlite": "update hydra_execution set status = 'pending', finished_at = null where id = {done}",
            "postgres": f"""with gone as (delete from hydra_outcome where execution_id = {{done}} returning *)
            insert into hydra_execution ({OPEN_AGAIN})
            select execution_id, run_at, epoch, 0, 'pending', namespace, workflow, record_count from gone""",
            "mysql": "update hydra_execution set status = 'pending', finished_at = 0 where id = {done}",
        },
        "endings_stand",
        "G3",
        "yet it is `pending`",
        "done",
    ),
    "an execution is two": Break(
        {
            "postgres": f"""insert into hydra_execution ({OPEN_AGAIN})
            select execution_id, run_at, epoch, 0, 'pending', namespace, workflow, record_count
            from hydra_outcome where execution_id = {{done}}"""
        },
        "orphans",
        "R10",
        "with an outcome, `completed`",
        "done",
    ),
    "a claim is missing in the audit trail": Break(
        {
            "sqlite": "update hydra_execution set epoch = 2 where id = {done}",
            "postgres": "update hydra_outcome set epoch = 2 where execution_id = {done}",
            "mysql": "update hydra_execution set epoch = 2 where id = {done}",
        },
        "claims",
        "G4",
        "1 claims",
        "done",
    ),
    "a claim that goes on has ended": Break(
        f"insert into hydra_claim ({CLAIM}) select id, epoch, attempt, owner, 0, claimed_at, 9, 'released', '', null "
        "from hydra_execution where id = {held}",
        "claims",
        "G4",
        "(held)",
        "held",
    ),
    "an owner nobody knows": Break(
        "update hydra_execution set owner = {ghost} where id = {held}",
        "owners",
        "G2",
        {
            "sqlite": "`00000000-0000-0000-0000-000000000009` is not registered",
            "postgres": "is not registered",
            "mysql": "`00000000000000000000000000000009` is not registered",
        },
        "held",
    ),
    "an owner marked empty": Break("update hydra_node set state = 'empty'", "owners", "G2", "marked empty", "held"),
    "an owner of what does not run": Break(
        "update hydra_execution set owner = {ghost} where id = {ready}",
        "states",
        "R10",
        {"sqlite": "with owner `0000", "postgres": "with owner `0000", "mysql": "with owner 0000"},
        "ready",
    ),
    "a state nobody knows": Break(
        {
            "sqlite": "update hydra_execution set status = 'lost' where id = {ready}",
            "postgres": "update hydra_execution set status = 'lost' where id = {ready}",  # MySQL's column has no other
        },
        "states",
        "R10",
        "`lost`",
        "ready",
    ),
    "a final execution without its end": Break(
        {
            "sqlite": "update hydra_execution set finished_at = null where id = {done}",
            "mysql": "update hydra_execution set finished_at = 0 where id = {done}",
        },
        "states",
        "R10",
        {"sqlite": "finished at never", "mysql": "finished at 0"},
        "done",
    ),
    "a timer on what runs": Break(
        "update hydra_execution set wake_at = 7 where id = {held}", "states", "R10", "timer 7", "held"
    ),
    "sleep without a timer": Break(
        {
            "sqlite": "update hydra_execution set wake_at = null where id = {asleep}",
            "postgres": "update hydra_execution set wake_at = null where id = {asleep}",
            "mysql": "update hydra_execution set wake_at = 0 where id = {asleep}",
        },
        "states",
        "R10",
        {"sqlite": "timer none", "postgres": "timer none", "mysql": "timer 0"},
        "asleep",
    ),
    "a key is lost": Break(
        each("delete from hydra_key where <key> = 'inv-1'"), "keys", "R24", "not in the table of keys", "keyed"
    ),
    "a key leads elsewhere": Break(
        each("update hydra_key set execution_id = {done} where <key> = 'inv-1'"),
        "keys",
        "R24",
        "leads to execution",
        "keyed",
    ),
    "a key leads to what has no key": Break(
        {
            "sqlite": "insert into hydra_key values ('default', 'bill', 'inv-2', {done}, x'', 0)",
            "postgres": "insert into hydra_key values ('default', 'bill', 'hash', {done}, 0, '', 'inv-2')",
            "mysql": "insert into hydra_key values (repeat('k', 32), 'default', 'bill', 'inv-2', {done}, '', 0)",
        },
        "strayed_keys",
        "R24",
        "its own key is none",
        "done",
    ),
    "what gave its key up is open": Break(
        "insert into hydra_former_key (execution_id) values ({asleep})",
        "former_keys",
        "R24",
        "its key has gone over to another",
        "asleep",
    ),
    "a key with another digest": Break(
        {
            "sqlite": "update hydra_key set digest = x'00'",
            "postgres": "update hydra_key set digest = 'other'",
            "mysql": "update hydra_key set digest = 'other'",
        },
        "keys",
        "R24",
        "another input",
        "keyed",
    ),
    "an input is lost": Break(
        {
            "sqlite": "delete from hydra_submission where execution_id = {ready}",
            "postgres": "delete from hydra_submission where execution_id = {ready}",
        },
        "orphans",
        "G1",
        "no input",
        "ready",
    ),
    "an execution is lost": Break(
        {
            "sqlite": "delete from hydra_execution where id = {done}",
            "postgres": "delete from hydra_outcome where execution_id = {done}",
            "mysql": "delete from hydra_execution where id = {done}",
        },
        "orphans",
        "R26",
        "has no execution",
        "done",
    ),
    "an execution that never ran is lost": Break(
        {
            "sqlite": "delete from hydra_execution where id = {ready}",
            "postgres": "delete from hydra_execution where id = {ready}",
        },
        "orphans",
        "R26",
        "has no execution",
        "ready",
    ),
    "a message of nobody": Break(
        "insert into hydra_message (execution_id, id, name, payload, sent_at) values ({ghost}, {done}, 'paid', '', 0)",
        "messages",
        "R26",
        "has no execution",
    ),
    "a message is still there after it was consumed": Break(
        "update hydra_record set kind = 'event', digest = {done_octets} where execution_id = {asleep}; "
        "insert into hydra_message (execution_id, id, name, payload, sent_at) values ({asleep}, {done}, 'paid', '', 0)",
        "messages",
        "G3",
        "was consumed by record 1",
        "asleep",
    ),
    "a heartbeat row is lost": Break("delete from hydra_node_beat", "orphaned_beats", "R2", "no heartbeat row"),
    "a node is lost": Break(
        {"sqlite": "delete from hydra_node", "mysql": "delete from hydra_node"},  # PostgreSQL's beats go with it
        "orphaned_beats",
        "R2",
        "has no node",
    ),
    "the counts are off": Break(
        {
            "sqlite": "update hydra_count set count = count + 1 where status = 'completed'",
            "postgres": "update hydra_count set count = count + 1 where status = 'completed'",
            "mysql": "update hydra_tally set total = total + 1 where workflow <> '' and status = 'completed'",
        },
        "counts",
        "G7",
        {"sqlite": "counts 3", "postgres": "counts", "mysql": "counts 3"},  # PostgreSQL's are sums of differences
    ),
    "counts of nothing": Break(
        {
            "sqlite": "insert into hydra_count values ('default', 'dun', 'pending', 3)",
            "postgres": "insert into hydra_count values ('default', 'dun', 'failed', 3)",
            "mysql": "insert into hydra_tally values ('default', 'dun', 'failed', 0, 3)",
        },
        "counts",
        "G7",
        "there are 0",
    ),
    "a tick has two executions": Break(
        {
            "sqlite": "update hydra_submission set key = (select key from hydra_key where execution_id = {ticked}) "
            "where execution_id = {ready}",
            "postgres": "update hydra_submission set key = (select key from hydra_key where execution_id = {ticked}) "
            "where execution_id = {ready}",
            "mysql": "update hydra_execution set idempotency_key = "
            "(select idempotency_key from hydra_key where execution_id = {ticked}) where id = {ready}",
        },
        "schedule_ticks",
        "R25",
        "has 2 executions",
        "ticked",
    ),
    "a schedule forgets that it fired": Break(
        "update hydra_schedule set mark_at = mark_at - 60000000",
        "schedule_marks",
        "R25",
        "has not come to tick",
        "ticked",
    ),
    "a schedule stands still": Break(
        "update hydra_schedule set next_at = mark_at", "schedule_marks", "R25", "has seen to"
    ),
    "more hold a limit than may": Break(
        "insert into hydra_slot (namespace, limit_key, execution_id, bound) "
        "values ('default', 'concurrency:one:a', {ready}, 1), ('default', 'concurrency:one:a', {keyed}, 1)",
        "limits",
        "R29",
        "2 hold the limit `concurrency:one:a`, where 1 may",
    ),
    "one may run without a place of its limit": Break(
        {
            "sqlite": "update hydra_submission set limit_keys = '[\"concurrency:one:a\"]' "
            "where execution_id = {ready}; "
            "update hydra_execution set gate = 'concurrency:one:a' where id = {ready}",
            "postgres": "update hydra_submission set limit_keys = '[\"concurrency:one:a\"]' "
            "where execution_id = {ready}; update hydra_execution set gate = 'concurrency:one:a' where id = {ready}",
            "mysql": "update hydra_execution set gate = 'concurrency:one:a', limit_keys = '[\"concurrency:one:a\"]' "
            "where id = {ready}",
        },
        "limits",
        "R29",
        "it is pending without a place of `concurrency:one:a`",
        "ready",
    ),
    "a place of a limit is free, and nobody is called": Break(
        {
            "sqlite": f"{A_LIMIT}; update hydra_submission set limit_keys = '[\"concurrency:one:a\"]' "
            "where execution_id = {ready}; "
            "update hydra_execution set gate = 'concurrency:one:a', wake_at = 9223372036854775807 where id = {ready}",
            "postgres": f"{A_LIMIT}; update hydra_submission set limit_keys = '[\"concurrency:one:a\"]' "
            "where execution_id = {ready}; "
            "update hydra_execution set gate = 'concurrency:one:a', wake_at = 9223372036854775807 where id = {ready}",
            "mysql": f"{A_LIMIT}; update hydra_execution set gate = 'concurrency:one:a', "
            "limit_keys = '[\"concurrency:one:a\"]', wake_at = 9223372036854775807 where id = {ready}; "
            "insert into hydra_gated values ('default', 'concurrency:one:a', 0, 1, {ready})",
        },
        "limits",
        "R29",
        "it waits at `concurrency:one:a`, of which 0 of 1 are taken, and nobody is called",
        "ready",
    ),
    "the keys of its limits are no list": Break(
        {
            "sqlite": "update hydra_submission set limit_keys = '{{bad' where execution_id = {ready}",
            "postgres": "update hydra_submission set limit_keys = '7' where execution_id = {ready}; "
            "update hydra_execution set gate = 'concurrency:one:a' where id = {ready}",
            "mysql": "update hydra_execution set limit_keys = '{{bad' where id = {ready}",
        },
        "limits",
        "R29",
        "the keys of its limits cannot be read",
        "ready",
    ),
    "what is ready waits in no queue": Break(
        {"mysql": "delete from hydra_ready where id = {ready}"},
        "queues",
        "G7",
        "it is `pending` with timer 0 and time-out 0, but in of the queues",
        "ready",
    ),
    "what sleeps would never wake": Break(
        {"mysql": "delete from hydra_timer where id = {asleep}"}, "queues", "G7", "`sleeping`", "asleep"
    ),
    "what has a time-out would never time out": Break(
        {"mysql": "delete from hydra_deadline where id = {keyed}"}, "queues", "G7", "`pending`", "keyed"
    ),
    "what has ended would never be purged": Break(
        {"mysql": "delete from hydra_finished where id = {done}"}, "queues", "G7", "`completed`", "done"
    ),
    "what has ended is still ready": Break(
        {"mysql": "insert into hydra_ready values ('default', 'bill', 0, 1, {done})"},
        "strayed_queues",
        "G7",
        "a row of hydra_ready does not fit it",
        "done",
    ),
    "a timer of nobody": Break(
        {"mysql": "insert into hydra_timer values ('default', 1, {ghost})"},
        "strayed_queues",
        "G7",
        "a row of hydra_timer does not fit it",
    ),
}
