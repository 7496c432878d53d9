"""Fills a database with executions by its own means, millions in a minute or two: what the benchmarks stand beside.

The rows are those that submissions, claims and ends would have left, one claim each, without steps. With `spread_us`
they were submitted evenly over so long a time up to now, each thousand under a tag of its own (`run=r-17`).
"""

from __future__ import annotations

import sqlite3
from urllib.parse import urlsplit

import psycopg
import pymysql
from hydra.codec import encode_call
from hydra.stores.admission import NEVER
from hydra.stores.mysql.address import read_address
from hydra.stores.store import Store

YEAR_US = 365 * 86_400 * 1_000_000
PART = 500_000  # rows in one transaction
NODE = "00000000-0000-7000-8000-000000000000"
WORKFLOW = "bench"
# A thousand times a thousand: what a server counts up to by itself, unless it is told otherwise.
NUMBERS = """
    with recursive thousand (n) as (select 0 union all select n + 1 from thousand where n < 999)
    select %(first)s + 1000 * a.n + b.n as n
    from thousand as a
    cross join thousand as b
    where 1000 * a.n < %(count)s
        and 1000 * a.n + b.n < %(count)s
    order by n
"""

SQLITE_NUMBERS = "with recursive number (n) as (select :first union all select n + 1 from number where n < :last)"
SQLITE_ID = "printf('00000000-0000-7000-8000-%012x', n)"
POSTGRES_NUMBERS = "generate_series(%(first)s::bigint, %(last)s::bigint) as n"
POSTGRES_ID = "('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid"
MYSQL_ID = "unhex(concat('00000000000070008000', lpad(hex(n), 12, '0')))"

Spread = tuple[int, int] | None  # the last number, and how many microseconds there are from one to the next


def fill(store: Store, url: str, *, finished: int, sleeping: int, pending: int, spread_us: int = 0) -> None:
    """Ids are those of long ago, so that whatever is submitted later comes after them."""
    now = store.now()
    total = finished + sleeping + pending
    spread = (total, spread_us // total) if spread_us else None
    filler = {"sqlite": _fill_sqlite, "mysql": _fill_mysql, "mariadb": _fill_mysql}.get(
        urlsplit(url).scheme, _fill_postgres
    )
    first = 1
    for status, count in (("completed", finished), ("sleeping", sleeping), ("pending", pending)):
        if count:
            filler(store, url, status, first, count, now, spread)
        first += count


def _fill_sqlite(store: Store, url: str, status: str, first: int, count: int, now: int, spread: Spread) -> None:
    """A crash in the middle would cost the file, which is no more than a benchmark's."""
    connection = sqlite3.connect(store.path or "", isolation_level=None)
    for pragma in ("synchronous = off", "foreign_keys = off", "cache_size = -262144"):
        connection.execute(f"pragma {pragma}")
    payload, digest = encode_call(("x" * 200,), {})
    values = {"status": status, "now": now, "wake_at": now + YEAR_US, "input": payload, "digest": digest, "node": NODE}
    ended = int(status != "pending")
    at, tags = _spread(spread, ":now", "'{\"run\":\"r-' || (n / 1000) || '\"}'")
    for start in range(first, first + count, PART):
        values |= {"first": start, "last": min(start + PART, first + count) - 1}
        connection.execute("begin immediate")
        connection.execute(
            f"""
            {SQLITE_NUMBERS}
            insert into hydra_execution (
                id, namespace, workflow, status, priority, run_at, wake_at, epoch, claimed_at, started_at, finished_at
            )
            select
                {SQLITE_ID}, 'default', '{WORKFLOW}', :status, 0, :now,
                iif(:status = 'sleeping', :wake_at, null), {ended},
                iif({ended}, :now, null), iif({ended}, :now, null), iif(:status = 'completed', :now, null)
            from number
            """,
            values,
        )
        connection.execute(
            f"""
            {SQLITE_NUMBERS}
            insert into hydra_submission (execution_id, digest, input, tags, submitted_at)
            select {SQLITE_ID}, :digest, :input, {tags}, {at}
            from number
            """,
            values,
        )
        if ended:
            connection.execute(
                f"""
                {SQLITE_NUMBERS}
                insert into hydra_claim (
                    execution_id, epoch, attempt, node, worker, claimed_at, ended_at, ending, detail, payload
                )
                select {SQLITE_ID}, 1, 1, :node, 0, :now, :now, :status, '', null
                from number
                """,
                values,
            )
        connection.execute("commit")
    connection.execute(
        "insert into hydra_count (namespace, workflow, status, count) values ('default', ?, ?, ?) "
        "on conflict (namespace, workflow, status) do update set count = count + excluded.count",
        (WORKFLOW, status, count),
    )
    connection.execute("pragma wal_checkpoint(truncate)")
    connection.close()


def _fill_postgres(store: Store, url: str, status: str, first: int, count: int, now: int, spread: Spread) -> None:
    payload, digest = encode_call(("x" * 200,), {})
    values = {
        "status": status,
        "now": now,
        "wake_at": now + YEAR_US if status == "sleeping" else None,
        "input": payload,
        "digest": digest,
        "node": NODE,
        "epoch": int(status != "pending"),
        "first": first,
        "last": first + count - 1,
    }
    at, tags = _spread(spread, "%(now)s", "('{\"run\":\"r-' || (n / 1000) || '\"}')::jsonb")
    own = f"""
        insert into hydra_execution (
            id, run_at, wake_at, started_at, claimed_at, epoch, priority, status, namespace, workflow
        )
        select
            {POSTGRES_ID}, %(now)s, %(wake_at)s::bigint, null, null, %(epoch)s, 0, %(status)s, 'default', '{WORKFLOW}'
        from {POSTGRES_NUMBERS}
    """
    final = f"""
        insert into hydra_outcome (
            execution_id, finished_at, run_at, started_at, claimed_at, epoch, attempt, wake_seq, record_count,
            death_count, alone_death_count, cause_seq, status, namespace, workflow, cause
        )
        select
            {POSTGRES_ID}, %(now)s, %(now)s, %(now)s, %(now)s, 1, 1, 0, 0, 0, 0, 0, %(status)s,
            'default', '{WORKFLOW}', ''
        from {POSTGRES_NUMBERS}
    """
    statements = [
        "set synchronous_commit = off",
        f"""
        insert into hydra_submission (
            execution_id, submitted_at, due_at, priority, namespace, workflow, digest, input, tags
        )
        select {POSTGRES_ID}, {at}, %(now)s, 0, 'default', '{WORKFLOW}', %(digest)s, %(input)s, {tags}
        from {POSTGRES_NUMBERS}
        """,
        final if status == "completed" else own,
    ]
    if status != "pending":
        statements.append(f"""
            insert into hydra_claim (
                execution_id, claimed_at, ended_at, node, epoch, attempt, worker, ending, detail
            )
            select {POSTGRES_ID}, %(now)s, %(now)s, %(node)s, 1, 1, 0, %(status)s, ''
            from {POSTGRES_NUMBERS}
        """)
    if status == "completed":
        statements.append(
            f"insert into hydra_count values ('default', '{WORKFLOW}', 'completed', %(last)s - %(first)s + 1)"
        )
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement, values if "%(" in statement else None)
        connection.execute("analyze")


def _fill_mysql(store: Store, url: str, status: str, first: int, count: int, now: int, spread: Spread) -> None:
    payload, digest = encode_call(("x" * 200,), {})
    queues = {"completed": ("finished", "finished_at"), "sleeping": ("timer", "due_at")}
    ended = int(status != "pending")
    values = {
        "status": status,
        "now": now,
        "wake_at": now + YEAR_US if status == "sleeping" else 0,
        "claimed_at": now * ended,
        "finished_at": now if status == "completed" else 0,
        "ended": ended,
        "input": payload,
        "digest": digest,
        "node": bytes.fromhex(NODE.replace("-", "")),
    }
    at, tags = _spread(spread, "%(now)s", "concat('{\"run\":\"r-', n div 1000, '\"}')")
    statements = [
        f"""
        insert into hydra_execution (
            id, namespace, workflow, idempotency_key, status, owner, epoch, attempt, priority, submitted_at, run_at,
            wake_at, timeout_at, claimed_at, started_at, finished_at, wake_seq, record_count, attention, death_count,
            alone_death_count, cause, cause_seq, is_child, digest, tags, input
        )
        select
            {MYSQL_ID}, 'default', '{WORKFLOW}', null, %(status)s, repeat(char(0), 16), %(ended)s, 1, 0, {at}, %(now)s,
            %(wake_at)s, 0, %(claimed_at)s, %(claimed_at)s, %(finished_at)s, 0, 0, '', 0, 0, '', 0, 0, %(digest)s,
            {tags}, %(input)s
        from ({NUMBERS}) as number
        """
    ]
    if status == "pending":
        statements.append(
            f"insert into hydra_ready select 'default', '{WORKFLOW}', 0, %(now)s, {MYSQL_ID} from ({NUMBERS}) as number"
        )
    else:
        queue, due_at = queues[status]
        statements.append(
            f"insert into hydra_{queue} (namespace, {due_at}, id) "
            f"select 'default', %(wake_at)s + %(finished_at)s, {MYSQL_ID} from ({NUMBERS}) as number"
        )
        statements.append(f"""
            insert into hydra_claim (
                execution_id, epoch, attempt, node, worker, claimed_at, ended_at, ending, detail, payload
            )
            select {MYSQL_ID}, 1, 1, %(node)s, 0, %(now)s, %(now)s, %(status)s, '', null
            from ({NUMBERS}) as number
        """)
    with pymysql.connect(**read_address(url).arguments(), autocommit=True) as connection:
        cursor = connection.cursor()
        for start in range(first, first + count, PART):
            values |= {"first": start, "count": min(PART, first + count - start)}
            for statement in statements:
                cursor.execute(statement, values)
        cursor.execute(
            "insert into hydra_tally (namespace, workflow, status, slot, total) values ('default', %s, %s, 0, %s) "
            "on duplicate key update total = total + values(total)",
            (WORKFLOW, status, count),
        )


def _spread(spread: Spread, now: str, tags: str) -> tuple[str, str]:
    """When a row was submitted, and its tags."""
    if spread is None:
        return now, "null"
    last, gap = spread
    return f"{now} - ({last} - n) * {gap}", tags


def record(store: Store, url: str, first: int, last: int, steps: tuple[str, ...]) -> None:
    """These steps of completed ones of `fill`, by their numbers, as if each had gone well at its first try."""
    payload, digest = encode_call(("x" * 20,), {})
    scheme = urlsplit(url).scheme
    ids: list[object] = [f"00000000-0000-7000-8000-{number:012x}" for number in (first, last)]
    if scheme == "sqlite":
        connection = sqlite3.connect(store.path or "")
        connection.execute("pragma synchronous = off")
        for statement, values in _recording("hydra_execution", "id", "?", ids, steps, payload, digest):
            connection.execute(statement, values)
        connection.commit()
        connection.execute("pragma wal_checkpoint(truncate)")
        connection.close()
    elif scheme in ("mysql", "mariadb"):
        ids = [bytes.fromhex(str(id).replace("-", "")) for id in ids]
        with pymysql.connect(**read_address(url).arguments(), autocommit=True) as server:
            for statement, values in _recording("hydra_execution", "id", "%s", ids, steps, payload, digest):
                server.cursor().execute(statement, values)
    else:
        with psycopg.connect(url, autocommit=True) as postgres:
            postgres.execute("set synchronous_commit = off")
            for statement, values in _recording("hydra_outcome", "execution_id", "%s", ids, steps, payload, digest):
                postgres.execute(statement, values)
            postgres.execute("vacuum analyze")


def _recording(
    table: str, key: str, place: str, ids: list[object], steps: tuple[str, ...], payload: bytes, digest: bytes
) -> list[tuple[str, list[object]]]:
    names = " union all ".join(f"select {seq} as seq, '{name}' as name" for seq, name in enumerate(steps, 1))
    records = f"""
        insert into hydra_record (
            execution_id, seq, kind, branch, name, ordinal, attempt, digest, payload, started_at, finished_at, due_at
        )
        select e.{key}, s.seq, 'step', '', s.name, 0, 1, {place}, {place}, e.finished_at, e.finished_at, 0
        from {table} as e
        cross join ({names}) as s
        where e.{key} between {place} and {place}
        order by e.{key}, s.seq
    """
    counts = f"update {table} set record_count = {place} where {key} between {place} and {place}"
    return [(records, [digest, payload, *ids]), (counts, [len(steps), *ids])]


def copy_waiting(store: Store, url: str, id: str, count: int, *, first: int = 1, keys: int = 1) -> None:
    """So many submissions more like that of this execution, held back by the first of its keys; or, over so many keys,
    each by the same with a number behind it. As one batch leaves them: each key is called once."""
    now, scheme = store.now(), urlsplit(url).scheme
    values: dict[str, object] = {"now": now, "source": id, "keys": keys}
    if scheme == "sqlite":
        _copy_sqlite(store, values, first, count)
    elif scheme in ("mysql", "mariadb"):
        values["source"] = bytes.fromhex(id.replace("-", ""))
        _copy_mysql(url, values, first, count)
    else:
        _copy_postgres(url, values, first, count)


def _copy_sqlite(store: Store, values: dict[str, object], first: int, count: int) -> None:
    id = "printf('00000000-0000-7000-8000-%012x', n)"
    key = "limit_keys ->> '$[0]' || iif(:keys = 1, '', n % :keys)"
    copies = f"""
        with recursive number (n) as (select :first union all select n + 1 from number where n < :last),
        copy as (
            select {id} as id, {key} as gate, namespace, workflow, s.digest, s.input
            from number
            cross join hydra_submission as s
            join hydra_execution as e on e.id = s.execution_id
            where s.execution_id = :source
        )
    """
    connection = sqlite3.connect(store.path or "", isolation_level=None)
    for pragma in ("synchronous = off", "cache_size = -262144"):
        connection.execute(f"pragma {pragma}")
    for start in range(first, first + count, PART):
        values |= {"first": start, "last": min(start + PART, first + count) - 1}
        connection.execute("begin immediate")
        for statement in (
            "insert into hydra_execution (id, namespace, workflow, status, priority, run_at, wake_at, gate) "
            f"{copies} select id, namespace, workflow, 'pending', 0, :now, {NEVER}, gate from copy",
            "insert into hydra_submission (execution_id, digest, input, submitted_at, limit_keys) "
            f"{copies} select id, digest, input, :now, json_array(gate) from copy",
            "insert into hydra_gate_call (namespace, limit_key) "
            f"{copies} select distinct namespace, gate from copy order by gate",
        ):
            connection.execute(statement, values)
        connection.execute("commit")
    connection.execute(
        "insert into hydra_count (namespace, workflow, status, count) "
        "select namespace, workflow, 'pending', ? from hydra_execution where id = ? "
        "on conflict (namespace, workflow, status) do update set count = count + excluded.count",
        (count, values["source"]),
    )
    connection.close()


def _copy_postgres(url: str, values: dict[str, object], first: int, count: int) -> None:
    id = "('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid"
    key = "limit_keys ->> 0 || case when %(keys)s = 1 then '' else (n %% %(keys)s)::text end"
    statement = f"""
        with copy as materialized (
            select {id} as id, {key} as gate, s.namespace, s.workflow, s.digest, s.input
            from generate_series(%(first)s::bigint, %(last)s::bigint) as n
            cross join hydra_submission as s
            where s.execution_id = %(source)s
        ), submission as (
            insert into hydra_submission (
                execution_id, submitted_at, due_at, priority, namespace, workflow, digest, input, limit_keys
            )
            select id, %(now)s, %(now)s, 0, namespace, workflow, digest, input, jsonb_build_array(gate)
            from copy
        ), called as (
            insert into hydra_gate_call (namespace, limit_key)
            select distinct namespace, gate
            from copy
        )
        insert into hydra_execution (id, run_at, wake_at, priority, status, namespace, workflow, gate)
        select id, %(now)s, {NEVER}, 0, 'pending', namespace, workflow, gate
        from copy
    """
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("set synchronous_commit = off")
        for start in range(first, first + count, PART):
            connection.execute(statement, values | {"first": start, "last": min(start + PART, first + count) - 1})
        connection.execute("analyze")


def _copy_mysql(url: str, values: dict[str, object], first: int, count: int) -> None:
    id = "unhex(concat('00000000000070008000', lpad(hex(n), 12, '0')))"
    gate = "concat(s.first_gate, if(%(keys)s = 1, '', n %% %(keys)s))"
    copies = f"""
        from ({NUMBERS}) as number
        cross join hydra_execution as s
        where s.id = %(source)s
    """
    statements = [
        f"""
        insert into hydra_execution (
            id, namespace, workflow, status, owner, epoch, attempt, priority, submitted_at, run_at, wake_at, timeout_at,
            claimed_at, started_at, finished_at, wake_seq, record_count, attention, death_count, alone_death_count,
            cause, cause_seq, is_child, digest, input, gate, first_gate, limit_keys
        )
        select
            {id}, s.namespace, s.workflow, 'pending', repeat(char(0), 16), 0, 1, 0, %(now)s, %(now)s, {NEVER}, 0,
            0, 0, 0, 0, 0, '', 0, 0, '', 0, 0, s.digest, s.input, {gate}, {gate},
            json_array(convert({gate} using utf8mb4))
        {copies}
        """,
        f"insert into hydra_gated select s.namespace, {gate}, 0, %(now)s, {id} {copies}",
        f"insert into hydra_gate_call (namespace, limit_key) select distinct s.namespace, {gate} {copies}",
        "insert into hydra_tally (namespace, workflow, status, slot, total) "
        "select namespace, workflow, 'pending', 0, %(count)s from hydra_execution where id = %(source)s "
        "on duplicate key update total = total + values(total)",
    ]
    with pymysql.connect(**read_address(url).arguments(), autocommit=True) as connection:
        cursor = connection.cursor()
        for start in range(first, first + count, PART):
            part = values | {"first": start, "count": min(PART, first + count - start)}
            for statement in statements:
                cursor.execute(statement, part)


def fail(store: Store, url: str, first: int, last: int) -> None:
    """Completed ones of `fill`, by their numbers, as if they had failed like one that really has."""
    scheme = urlsplit(url).scheme
    ids = [f"00000000-0000-7000-8000-{number:012x}" for number in (first, last)]
    count = last - first + 1
    places: dict[str, object] = {"first": ids[0], "last": ids[1], "count": count, "workflow": WORKFLOW}
    if scheme == "sqlite":
        connection = sqlite3.connect(store.path or "")
        for statement in _failing("hydra_execution", "hydra_count", "count", ":{}"):
            connection.execute(statement, places)
        connection.commit()
        connection.close()
    elif scheme in ("mysql", "mariadb"):
        places |= {"first": bytes.fromhex(ids[0].replace("-", "")), "last": bytes.fromhex(ids[1].replace("-", ""))}
        with pymysql.connect(**read_address(url).arguments(), autocommit=True) as server:
            for statement in _failing("hydra_execution", "hydra_tally", "total", "%({})s"):
                server.cursor().execute(statement, places)
    else:
        with psycopg.connect(url, autocommit=True) as postgres:
            for statement in _failing("hydra_outcome", "hydra_count", "count", "%({})s"):
                postgres.execute(statement, places)
            postgres.execute("analyze")


def _failing(table: str, counts: str, column: str, place: str) -> list[str]:
    first, last, count, workflow = (place.format(name) for name in ("first", "last", "count", "workflow"))
    key = "execution_id" if table == "hydra_outcome" else "id"
    payload = "select payload from hydra_claim where ending = 'failed' and payload is not null limit 1"
    slot = ", slot" if counts == "hydra_tally" else ""
    return [
        f"update {table} set status = 'failed' where {key} between {first} and {last}",
        f"update hydra_claim set ending = 'failed', payload = (select payload from ({payload}) as one) "
        f"where execution_id between {first} and {last}",
        f"update {counts} set {column} = {column} - {count} where workflow = {workflow} and status = 'completed'",
        f"insert into {counts} (namespace, workflow, status{slot}, {column}) "
        f"values ('default', {workflow}, 'failed'{', 0' if slot else ''}, {count})",
    ]
