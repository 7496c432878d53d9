-- What a limit holds, against what it may: no more than were allowed when the last was let go, nobody without a place,
-- and nobody who waits while a place is free and nobody is called. Scans what has limits, and sorts it by key, so that
-- no key is held against all others.
select 'R29', min(h.execution_id), concat(count(*), ' hold the limit `', h.limit_key, '`, where ', max(h.bound), ' may')
from (
    select s.limit_key, s.execution_id, s.bound
    from hydra_slot as s
    join hydra_execution as e on e.id = s.execution_id
    where s.namespace = {namespace}
        and (
            (e.status = 'pending' and e.wake_at = 0)
            or (
                s.limit_key like 'concurrency:%'
                and (
                    e.status = 'running'
                    or (e.status = 'pending' and e.wake_at = 9223372036854775807 and e.gate > s.limit_key)
                )
            )
        )
) as h
group by h.limit_key
having count(*) > max(h.bound)
union all
select 'R29', e.id, concat('it is ', e.status, ' without a place of `', e.gate, '`')
from hydra_execution as e
where e.namespace = {namespace}
    and e.gate like 'concurrency:%'
    and (e.status = 'running' or (e.status = 'pending' and e.wake_at = 0))
    and not exists (
        select 1
        from hydra_slot as o
        where o.namespace = {namespace} and o.limit_key = e.gate and o.execution_id = e.id
    )
union all
select 'R29', w.id, concat('it waits at `', w.limit_key, '`, of which ', w.held_count, ' of ', w.bound,
    ' are taken, and nobody is called')
from (
    select
        g.limit_key, g.id, g.held_count,
        max(l.kind) as kind,
        max(coalesce(l.set_count, l.count)) as bound
    from (
        select p.limit_key, min(p.id) as id, sum(p.held) as held_count
        from (
            select q.limit_key, q.id, 0 as held, 0 as is_called
            from hydra_gated as q
            where q.namespace = {namespace}
            union all
            select s.limit_key, null, 1, 0
            from hydra_slot as s
            join hydra_execution as e on e.id = s.execution_id
            where s.namespace = {namespace}
                and (
                    (e.status = 'running' and s.limit_key not like 'by_turns:%')
                    or (e.status = 'pending' and e.wake_at = 0)
                    or (e.status = 'pending' and e.wake_at = 9223372036854775807 and e.gate > s.limit_key)
                )
            union all
            select c.limit_key, null, 0, 1
            from hydra_gate_call as c
            where c.namespace = {namespace}
            union all
            select k.limit_key, null, 0, 1
            from hydra_limit_key as k
            where k.namespace = {namespace}
                and k.look_at > 0
            union all
            select z.limit_key, null, 0, 1
            from hydra_key_pause as z
            where z.namespace = {namespace}
                and z.until_at = 9223372036854775807
        ) as p
        group by p.limit_key
        having min(p.id) is not null and max(p.is_called) = 0
    ) as g
    join hydra_limit as l
        on l.namespace = {namespace}
        and left(g.limit_key, length(l.kind) + length(l.name) + 2) = concat(l.kind, ':', l.name, ':')
    group by g.limit_key, g.id, g.held_count
) as w
where w.kind = 'rate'
    or w.held_count < w.bound
union all
select 'R29', e.id, concat('it waits at `', e.gate, '`, which is none of its keys')
from hydra_execution as e
where e.namespace = {namespace}
    and e.gate <> ''
    and instr(e.limit_keys, e.gate) = 0
union all
select 'R29', e.id, 'the keys of its limits cannot be read'
from hydra_execution as e
where e.namespace = {namespace}
    and e.limit_keys is not null
    and not coalesce(json_valid(convert(e.limit_keys using utf8mb4)) and left(e.limit_keys, 1) = '[', false)
