-- Index: primary keys of hydra_execution and hydra_submission, hydra_slot_execution. What the trigger of one that is
-- due does (hydra_gate_waits), for many: each waits at the first of its keys and is in its own place again, and what it
-- held is free. A later statement than promote, so it sees which keys and slots those that are locked have (R12).
with due as materialized (
    select e.id, coalesce(
        (
            select s.limit_keys ->> 0
            from hydra_submission as s
            where s.execution_id = any(array[e.id])
                and jsonb_typeof(s.limit_keys -> 0) = 'string'  -- a damaged one is parked where it waited
        ),
        e.gate
    ) as gate
    from unnest(%(ids)s) as i (id)
    join hydra_execution as e on e.id = any(array[i.id])
), slot as materialized (
    select s.ctid, s.limit_key
    from due
    cross join lateral (
        select s.ctid, s.limit_key
        from hydra_slot as s
        where s.execution_id = due.id
        for update
    ) as s
), called as (
    insert into hydra_gate_call (namespace, limit_key)
    select %(namespace)s, due.gate
    from due
    union
    select %(namespace)s, slot.limit_key
    from slot
), dropped as (
    delete from hydra_slot as s
    where s.ctid = any(array(select slot.ctid from slot where slot.limit_key like 'concurrency:%%'))
), rested as (
    update hydra_slot as s
    set bound = 0
    where s.ctid = any(array(select slot.ctid from slot where slot.limit_key not like 'concurrency:%%'))
)
update hydra_execution as e
set status = 'pending',
    run_at = e.wake_at,
    wake_at = 9223372036854775807,
    gate = due.gate,
    priority = coalesce(e.own_priority, e.priority),
    own_priority = null,
    own_run_at = null
from due
where e.id = any(array[due.id])
