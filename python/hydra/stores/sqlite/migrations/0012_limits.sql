-- additive
-- Limits. An execution that a limit holds back is pending, with a timer that no clock makes due: so it lies on no
-- claim's path, whatever code reads it. `gate` is the key at which it waits, or will wait next time; null: no limits.
-- 9223372036854775807 is admission.NEVER.

alter table hydra_execution add column gate text;
alter table hydra_submission add column limit_keys text;  -- JSON: all keys of it, sorted

-- Each key's queue, in order.
create index hydra_execution_gated on hydra_execution (namespace, gate, priority desc, run_at, id)
    where gate is not null and status = 'pending' and wake_at = 9223372036854775807;

-- What a node's code says of a limit, and beside it what an operator has set in its place.
create table hydra_limit (
    namespace text not null,
    kind text not null check (kind in ('concurrency', 'rate')),
    name text not null,
    count integer not null,
    per_us integer not null,
    burst integer not null,
    set_count integer,
    set_per_us integer,
    set_burst integer,
    primary key (namespace, kind, name)
) without rowid;

-- A key's clock: a rate's next instant (GCRA), and when somebody is to look at the key without being called.
create table hydra_limit_key (
    namespace text not null,
    limit_key text not null,
    due_at integer not null,
    look_at integer,
    primary key (namespace, limit_key)
) without rowid;

create index hydra_limit_key_look on hydra_limit_key (namespace, look_at) where look_at is not null;

-- Who holds a place of a key, or has held one: what its execution is says which. `bound` is how many might then; 0
-- once it waits again.
create table hydra_slot (
    namespace text not null,
    limit_key text not null,
    execution_id text not null,
    bound integer not null,
    primary key (namespace, limit_key, execution_id)
) without rowid;

create index hydra_slot_execution on hydra_slot (execution_id);

-- Keys that somebody is to look at, in the transaction that gave a reason: an execution began to wait, or gave a place
-- back. Only added and taken away.
create table hydra_gate_call (
    id integer primary key autoincrement,
    namespace text not null,
    limit_key text not null
);

create index hydra_gate_call_namespace on hydra_gate_call (namespace, id);

-- The one place where executions with limits begin to wait, and give their places back. What these triggers do not
-- name costs nothing; code that knows no limits keeps them, too.

create trigger hydra_gate_submitted after insert on hydra_execution
    when new.gate is not null and new.wake_at is null
begin
    update hydra_execution set wake_at = 9223372036854775807 where id = new.id;
    insert into hydra_gate_call (namespace, limit_key) values (new.namespace, new.gate);
end;

-- Due again after it slept, waited, was parked or failed, was delayed, or is to be undone. Only an
-- execution that was just given the slot of its key goes on.
create trigger hydra_gate_due after update of status, wake_at on hydra_execution
    when new.gate is not null
        and new.status = 'pending' and new.wake_at is null
        and not (
            old.status = 'running'
            or (old.status = 'pending' and old.wake_at is null)
        )
begin
    update hydra_execution
    set wake_at = 9223372036854775807,
        gate = (select limit_keys ->> '$[0]' from hydra_submission where execution_id = new.id)
    where id = new.id
        and not (
            old.status = 'pending' and old.wake_at = 9223372036854775807
            and exists (
                select 1 from hydra_slot
                where namespace = new.namespace and limit_key = old.gate and execution_id = new.id and bound > 0
            )
        );
    insert into hydra_gate_call (namespace, limit_key)
    select namespace, gate from hydra_execution where id = new.id and wake_at is not null
    union
    select e.namespace, s.limit_key
    from hydra_execution as e
    join hydra_slot as s on s.execution_id = e.id
    where e.id = new.id and e.wake_at is not null;
    delete from hydra_slot
    where execution_id = (select id from hydra_execution where id = new.id and wake_at is not null)
        and limit_key like 'concurrency:%';
    update hydra_slot
    set bound = 0
    where execution_id = (select id from hydra_execution where id = new.id and wake_at is not null);
end;

-- It runs no more, or waits no more: its places are free.
create trigger hydra_gate_left after update of status, wake_at on hydra_execution
    when old.gate is not null
        and (
            old.status = 'running'
            or (old.status = 'pending' and (old.wake_at is null or old.wake_at = 9223372036854775807))
        )
        and new.status <> 'running'
        and not (new.status = 'pending' and (new.wake_at is null or new.wake_at = 9223372036854775807))
begin
    insert into hydra_gate_call (namespace, limit_key)
    select namespace, limit_key from hydra_slot where execution_id = new.id;
end;
