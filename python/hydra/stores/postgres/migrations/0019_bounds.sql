-- additive
-- One kind of limit more: how many may be pending, of a workflow, of each key of a limit, or in all. Which kinds there
-- are the code says.

alter table hydra_limit drop constraint if exists hydra_limit_kind_check;

-- One execution whose keys of limits are damaged waits where it waited, and is parked there.
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
            (
                select s.limit_keys ->> 0
                from hydra_submission as s
                where s.execution_id = new.id
                    and jsonb_typeof(s.limit_keys -> 0) = 'string'
            ),
            new.gate
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
