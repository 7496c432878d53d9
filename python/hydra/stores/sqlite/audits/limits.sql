-- What a limit holds, against what it may: no more than were allowed when the last was let go, nobody without a place,
-- and nobody who waits while a place is free and nobody is called. Scans what has limits, and sorts it by key, so that
-- no key is held against all others.
with held as (
    select s.limit_key, s.execution_id, s.bound
    from hydra_slot as s
    join hydra_execution as e on e.id = s.execution_id
    where s.namespace = :namespace
        and (
            (e.status = 'pending' and e.wake_at is null)
            or (
                s.limit_key like 'concurrency:%'
                and (
                    e.status = 'running'
                    or (e.status = 'pending' and e.wake_at = 9223372036854775807 and e.gate > s.limit_key)
                )
            )
            or (
                s.limit_key like 'by_turns:%'
                and e.status = 'pending' and e.wake_at = 9223372036854775807 and e.gate > s.limit_key
            )
        )
), known as (
    select g.limit_key, min(g.id) as id, sum(g.held) as held_count
    from (
        select e.gate as limit_key, e.id, 0 as held, 0 as is_called
        from hydra_execution as e
        where e.namespace = :namespace
            and e.gate is not null
            and e.status = 'pending'
            and e.wake_at = 9223372036854775807
        union all
        select h.limit_key, null, 1, 0
        from held as h
        union all
        select c.limit_key, null, 0, 1
        from hydra_gate_call as c
        where c.namespace = :namespace
        union all
        select k.limit_key, null, 0, 1
        from hydra_limit_key as k
        where k.namespace = :namespace
            and k.look_at is not null
        union all
        select p.limit_key, null, 0, 1
        from hydra_key_pause as p
        where p.namespace = :namespace
            and p.until_at = 9223372036854775807
    ) as g
    group by g.limit_key
    having min(g.id) is not null and max(g.is_called) = 0
)
select 'R29', min(execution_id), count(*) || ' hold the limit `' || limit_key || '`, where ' || max(bound) || ' may'
from held
group by limit_key
having count(*) > max(bound)
union all
select 'R29', e.id, 'it is ' || e.status || ' without a place of `' || k.value || '`'
from hydra_execution as e
join hydra_submission as s on s.execution_id = e.id
join json_each(case when json_valid(s.limit_keys) then s.limit_keys end) as k
where e.namespace = :namespace
    and e.gate is not null
    and (e.status = 'running' or (e.status = 'pending' and e.wake_at is null))
    and k.value like 'concurrency:%'
    and not exists (
        select 1
        from hydra_slot as o
        where o.namespace = :namespace and o.limit_key = k.value and o.execution_id = e.id
    )
union all
select 'R29', w.id, 'it waits at `' || w.limit_key || '`, of which ' || w.held_count || ' of '
    || coalesce(l.set_count, l.count) || ' are taken, and nobody is called'
from known as w
join hydra_limit as l
    on l.namespace = :namespace
    and substr(w.limit_key, 1, length(l.kind) + length(l.name) + 2) = l.kind || ':' || l.name || ':'
where l.kind = 'rate'
    or w.held_count < coalesce(l.set_count, l.count)
union all
select 'R29', e.id, 'it waits at `' || e.gate || '`, which is none of its keys'
from hydra_execution as e
join hydra_submission as s on s.execution_id = e.id
where e.namespace = :namespace
    and e.gate is not null
    and coalesce(json_valid(s.limit_keys), 1)
    and not exists (
        select 1
        from json_each(case when json_valid(s.limit_keys) then s.limit_keys end) as k
        where k.value = e.gate
    )
union all
select 'R29', e.id, 'the keys of its limits cannot be read'
from hydra_submission as s
join hydra_execution as e on e.id = s.execution_id
where e.namespace = :namespace
    and s.limit_keys is not null
    and (not json_valid(s.limit_keys) or json_type(case when json_valid(s.limit_keys) then s.limit_keys end) <> 'array')
