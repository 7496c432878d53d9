-- additive
-- Limits. An execution that a limit holds back is pending, with a timer that no clock makes due: so it lies on no
-- claim's path, whatever code reads it. `gate` is the key at which it waits, or will wait next time; null: no limits.
-- 9223372036854775807 is admission.NEVER.

alter table hydra_execution add column gate text collate "C";
alter table hydra_submission add column limit_keys jsonb;  -- all keys of it, sorted

-- Each key's queue, in order.
create index hydra_execution_gated on hydra_execution (namespace, gate, (-priority::bigint), run_at, id)
    where gate is not null and status = 'pending' and wake_at = 9223372036854775807;

-- What a node's code says of a limit, and beside it what an operator has set in its place.
create table hydra_limit (
    namespace text collate "C" not null,
    kind text collate "C" not null check (kind in ('concurrency', 'rate')),
    name text collate "C" not null,
    count bigint not null,
    per_us bigint not null,
    burst bigint not null,
    set_count bigint,
    set_per_us bigint,
    set_burst bigint,
    primary key (namespace, kind, name)
);

-- A key's lock, and its clock: a rate's next instant (GCRA), and when somebody is to look at the key without being
-- called.
create table hydra_limit_key (
    namespace text collate "C" not null,
    limit_key text collate "C" not null,
    due_at bigint not null,
    look_at bigint,
    primary key (namespace, limit_key)
) with (fillfactor = 50, autovacuum_vacuum_threshold = 100, autovacuum_vacuum_scale_factor = 0.05);

create index hydra_limit_key_look on hydra_limit_key (namespace, look_at) where look_at is not null;

-- Who holds a place of a key, or has held one: what its execution is says which. `bound` is how many might then; 0
-- once it waits again.
create table hydra_slot (
    namespace text collate "C" not null,
    limit_key text collate "C" not null,
    execution_id uuid not null,
    bound bigint not null,
    primary key (namespace, limit_key, execution_id)
) with (autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0.05);

create index hydra_slot_execution on hydra_slot (execution_id);

-- Keys that somebody is to look at, in the transaction that gave a reason: an execution began to wait, or gave a place
-- back. Only added and taken away.
create table hydra_gate_call (
    id bigint generated always as identity primary key,
    namespace text collate "C" not null,
    limit_key text collate "C" not null
) with (autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0.02);

create index hydra_gate_call_namespace on hydra_gate_call (namespace, id);

-- The one place where executions with limits begin to wait, and give their places back. What the conditions of these
-- triggers do not name costs nothing; code that knows no limits keeps them, too.

create function hydra_gate_waits() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' and old.status = 'pending' and old.wake_at = 9223372036854775807 and exists (
        select 1
        from hydra_slot as s
        where s.namespace = new.namespace
            and s.limit_key = old.gate
            and s.execution_id = new.id
            and s.bound > 0
    ) then
        return null;
    end if;
    update hydra_execution as e
    set wake_at = 9223372036854775807,
        gate = coalesce(
            (select s.limit_keys ->> 0 from hydra_submission as s where s.execution_id = new.id), new.gate
        )
    where e.id = new.id
    returning e.* into new;
    insert into hydra_gate_call (namespace, limit_key)
    select new.namespace, new.gate
    union
    select new.namespace, s.limit_key
    from hydra_slot as s
    where s.execution_id = new.id;
    delete from hydra_slot as s where s.execution_id = new.id and s.limit_key like 'concurrency:%';
    update hydra_slot as s set bound = 0 where s.execution_id = new.id;
    return null;
end
$$;

create function hydra_gate_leaves() returns trigger language plpgsql as $$
begin
    insert into hydra_gate_call (namespace, limit_key)
    select old.namespace, s.limit_key
    from hydra_slot as s
    where s.execution_id = old.id;
    return null;
end
$$;

create trigger hydra_gate_submitted after insert on hydra_execution
    for each row when (new.gate is not null and new.wake_at is null)
    execute function hydra_gate_waits();

-- Due again after it slept, waited, was parked, was delayed, or is to be undone. Only an execution that was just given
-- the slot of its key goes on.
create trigger hydra_gate_due after update of status, wake_at on hydra_execution
    for each row when (
        new.gate is not null
        and new.status = 'pending' and new.wake_at is null
        and not (old.status = 'running' or (old.status = 'pending' and old.wake_at is null))
    )
    execute function hydra_gate_waits();

-- A new generation waits like a new execution; only continue_executions changes the attempt of what is ready.
create trigger hydra_gate_continued after update of attempt on hydra_execution
    for each row when (
        new.gate is not null
        and new.status = 'pending' and new.wake_at is null
        and old.status = 'pending' and old.wake_at is null
    )
    execute function hydra_gate_waits();

-- It runs no more, or waits no more: its places are free.
create trigger hydra_gate_left after update of status, wake_at on hydra_execution
    for each row when (
        old.gate is not null
        and (
            old.status = 'running'
            or (old.status = 'pending' and coalesce(old.wake_at, 9223372036854775807) = 9223372036854775807)
        )
        and new.status <> 'running'
        and not (new.status = 'pending' and coalesce(new.wake_at, 9223372036854775807) = 9223372036854775807)
    )
    execute function hydra_gate_leaves();

create trigger hydra_gate_ended after delete on hydra_execution
    for each row when (
        old.gate is not null
        and (
            old.status = 'running'
            or (old.status = 'pending' and coalesce(old.wake_at, 9223372036854775807) = 9223372036854775807)
        )
    )
    execute function hydra_gate_leaves();
