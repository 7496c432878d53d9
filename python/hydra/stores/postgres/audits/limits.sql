-- What a limit holds, against what it may: no more than were allowed when the last was let go, nobody without a place,
-- and nobody who waits while a place is free and nobody is called. Scans what has limits, and sorts it by key, so that
-- no key is held against all others.
with held as (
    select s.limit_key, s.execution_id, s.bound
    from hydra_slot as s
    join hydra_execution as e on e.id = s.execution_id
    where s.namespace = %(namespace)s
        and (
            (e.status = 'pending' and e.wake_at is null)
            or (
                s.limit_key like 'concurrency:%%'
                and (
                    e.status = 'running'
                    or (e.status = 'pending' and e.wake_at = 9223372036854775807 and e.gate > s.limit_key)
                )
            )
            or (
                s.limit_key like 'by_turns:%%'
                and e.status = 'pending'
                and e.wake_at = 9223372036854775807
                and e.gate > s.limit_key
            )
        )
), known as (
    select g.limit_key, min(g.id) as id, sum(g.held) as held_count
    from (
        select e.gate as limit_key, e.id::text as id, 0 as held, 0 as is_called
        from hydra_execution as e
        where e.namespace = %(namespace)s
            and e.gate is not null
            and e.status = 'pending'
            and e.wake_at = 9223372036854775807
        union all
        select h.limit_key, null, 1, 0
        from held as h
        union all
        select c.limit_key, null, 0, 1
        from hydra_gate_call as c
        where c.namespace = %(namespace)s
        union all
        select k.limit_key, null, 0, 1
        from hydra_limit_key as k
        where k.namespace = %(namespace)s
            and k.look_at is not null
        union all
        select p.limit_key, null, 0, 1
        from hydra_key_pause as p
        where p.namespace = %(namespace)s
            and p.until_at = 9223372036854775807
    ) as g
    group by g.limit_key
    having min(g.id) is not null and max(g.is_called) = 0
), key as (
    select e.id, e.status, e.wake_at, e.gate, k.limit_key
    from hydra_execution as e
    join hydra_submission as s on s.execution_id = e.id
    cross join lateral jsonb_array_elements_text(
        case when jsonb_typeof(s.limit_keys) = 'array' then s.limit_keys else '[]' end
    ) as k (limit_key)
    where e.namespace = %(namespace)s
        and e.gate is not null
)
select
    'R29',
    min(h.execution_id::text),
    format('%%s hold the limit `%%s`, where %%s may', count(*), h.limit_key, max(h.bound))
from held as h
group by h.limit_key
having count(*) > max(h.bound)
union all
select 'R29', k.id::text, format('it is %%s without a place of `%%s`', k.status, k.limit_key)
from key as k
where (k.status = 'running' or (k.status = 'pending' and k.wake_at is null))
    and k.limit_key like 'concurrency:%%'
    and not exists (
        select 1
        from hydra_slot as o
        where o.namespace = %(namespace)s and o.limit_key = k.limit_key and o.execution_id = k.id
    )
union all
select
    'R29',
    w.id,
    format(
        'it waits at `%%s`, of which %%s of %%s are taken, and nobody is called',
        w.limit_key, w.held_count, coalesce(l.set_count, l.count)
    )
from known as w
join hydra_limit as l
    on l.namespace = %(namespace)s
    and starts_with(w.limit_key, l.kind || ':' || l.name || ':')
where l.kind = 'rate'
    or w.held_count < coalesce(l.set_count, l.count)
union all
select 'R29', k.id::text, format('it waits at `%%s`, which is none of its keys', k.gate)
from key as k
group by k.id, k.gate
having not bool_or(k.limit_key = k.gate)
union all
select 'R29', s.execution_id::text, 'the keys of its limits cannot be read'
from hydra_submission as s
where s.namespace = %(namespace)s
    and jsonb_typeof(s.limit_keys) <> 'array'
