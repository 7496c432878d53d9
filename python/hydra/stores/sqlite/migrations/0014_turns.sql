-- additive
-- Turns between the values of a key. Who was given a turn is ordered by it until its claim: `run_at` is the turn's
-- instant and `priority` 0, and these are its own; null: they are in their place.

alter table hydra_execution add column own_priority integer;
alter table hydra_execution add column own_run_at integer;

-- Of each value's queue who waits longest, whatever its priority. (By a range of gates its order would go unused.)
create index hydra_execution_eldest on hydra_execution (namespace, gate, run_at, id)
    where substr(gate, 1, 9) = 'by_turns:' and status = 'pending' and wake_at = 9223372036854775807;

-- How many turns a value gets, in thousandths: by a node's code, and what an operator has set in its place.
create table hydra_weight (
    namespace text not null,
    limit_key text not null,
    weight integer,
    set_weight integer,
    primary key (namespace, limit_key)
) without rowid;

-- The same table with one kind of limit more.
create table hydra_limit_of_kinds (
    namespace text not null,
    kind text not null check (kind in ('by_turns', 'concurrency', 'rate')),
    name text not null,
    count integer not null,
    per_us integer not null,
    burst integer not null,
    set_count integer,
    set_per_us integer,
    set_burst integer,
    primary key (namespace, kind, name)
) without rowid;

insert into hydra_limit_of_kinds (
    namespace, kind, name, count, per_us, burst, set_count, set_per_us, set_burst
)
select namespace, kind, name, count, per_us, burst, set_count, set_per_us, set_burst
from hydra_limit;

drop table hydra_limit;

alter table hydra_limit_of_kinds rename to hydra_limit;

-- A turn is used: the next of its value may be let go.
create trigger hydra_gate_begun after update of status on hydra_execution
    when new.gate >= 'by_turns:' and new.gate < 'by_turns<' and new.status = 'running' and old.status = 'pending'
begin
    insert into hydra_gate_call (namespace, limit_key) values (new.namespace, new.gate);
end;

drop trigger hydra_gate_due;

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
        gate = (select limit_keys ->> '$[0]' from hydra_submission where execution_id = new.id),
        priority = coalesce(own_priority, priority),
        own_priority = null,
        own_run_at = null
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
