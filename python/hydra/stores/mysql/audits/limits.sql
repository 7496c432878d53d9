-- What a limit holds, against what it may: no more than were allowed when the last was let go, nobody without a place,
-- and nobody who waits while a place is free and nobody is called. Scans what has limits.
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
        q.limit_key,
        min(q.id) as id,
        max(l.kind) as kind,
        max(coalesce(l.set_count, l.count)) as bound,
        (
            select count(*)
            from hydra_slot as s
            join hydra_execution as e on e.id = s.execution_id
            where s.namespace = {namespace}
                and s.limit_key = q.limit_key
                and (
                    (e.status = 'running' and s.limit_key not like 'by_turns:%')
                    or (e.status = 'pending' and e.wake_at = 0)
                    or (e.status = 'pending' and e.wake_at = 9223372036854775807 and e.gate > s.limit_key)
                )
        ) as held_count
    from hydra_gated as q
    join hydra_limit as l
        on l.namespace = {namespace}
        and left(q.limit_key, length(l.kind) + length(l.name) + 2) = concat(l.kind, ':', l.name, ':')
    where q.namespace = {namespace}
    group by q.limit_key
) as w
where (w.kind = 'rate' or w.held_count < w.bound)
    and not exists (
        select 1 from hydra_gate_call as c where c.namespace = {namespace} and c.limit_key = w.limit_key
    )
    and not exists (
        select 1 from hydra_limit_key as k
        where k.namespace = {namespace} and k.limit_key = w.limit_key and k.look_at > 0
    )
    and not exists (
        select 1 from hydra_key_pause as p
        where p.namespace = {namespace} and p.limit_key = w.limit_key and p.until_at = 9223372036854775807
    )
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
