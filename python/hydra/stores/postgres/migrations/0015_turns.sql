-- additive
-- Turns between the values of a key. Who was given a turn is ordered by it until its claim: `run_at` is the turn's
-- instant and `priority` 0, and these are its own; null: they are in their place.

alter table hydra_execution add column own_priority integer;
alter table hydra_execution add column own_run_at bigint;

-- Of each value's queue who waits longest, whatever its priority.
create index hydra_execution_eldest on hydra_execution (namespace, gate, run_at, id)
    where gate >= 'by_turns:' and gate < 'by_turns<' and status = 'pending' and wake_at = 9223372036854775807;

-- How many turns a value gets, in thousandths: by a node's code, and what an operator has set in its place.
create table hydra_weight (
    namespace text collate "C" not null,
    limit_key text collate "C" not null,
    weight bigint,
    set_weight bigint,
    primary key (namespace, limit_key)
);

alter table hydra_limit drop constraint hydra_limit_kind_check;
alter table hydra_limit add constraint hydra_limit_kind_check check (kind in ('by_turns', 'concurrency', 'rate'));

create or replace function hydra_gate_waits() returns trigger language plpgsql as $$
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
        ),
        priority = coalesce(e.own_priority, e.priority),
        own_priority = null,
        own_run_at = null
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

create function hydra_gate_begins() returns trigger language plpgsql as $$
begin
    insert into hydra_gate_call (namespace, limit_key) values (new.namespace, new.gate);
    return null;
end
$$;

-- A turn is used: the next of its value may be let go.
create trigger hydra_gate_begun after update of status on hydra_execution
    for each row when (
        new.gate >= 'by_turns:' and new.gate < 'by_turns<' and new.status = 'running' and old.status = 'pending'
    )
    execute function hydra_gate_begins();
