-- Scans hydra_record and hydra_message of parents that wait, for spawns, their answers and the ends of children, and
-- sorts them by what asked for the child; primary keys of the others. The payload of a spawn or its answer ends with
-- the child's id in quotes. A parent that waits knows of a child's end by a record, or will by a message, or by the
-- link that is left until it is told: a child that goes on has it, too.
with said as (
    select
        r.execution_id as parent_id,
        left(if(r.kind = 'spawn', substring(r.payload, -37, 36), substring(r.name, 15)), 64) as request_id,
        unhex(replace(substring(r.payload, -37, 36), '-', '')) as child_id,
        0 as is_end
    from hydra_execution as p
    join hydra_record as r on r.execution_id = p.id
    where p.namespace = {namespace}
        and p.status in ('waiting', 'sleeping')
        and (r.kind = 'spawn' or (r.kind = 'event' and r.name like 'hydra.spawned:%'))
        and length(r.payload) = 44
    union all
    select r.execution_id, left(substring(r.name, 13), 64), null, 1
    from hydra_execution as p
    join hydra_record as r on r.execution_id = p.id
    where p.namespace = {namespace}
        and p.status in ('waiting', 'sleeping')
        and r.kind = 'event'
        and r.name like 'hydra.child:%'
    union all
    select m.execution_id, left(substring(m.name, 13), 64), null, 1
    from hydra_execution as p
    join hydra_message as m on m.execution_id = p.id
    where p.namespace = {namespace}
        and p.status in ('waiting', 'sleeping')
        and m.name like 'hydra.child:%'
), known as (
    select s.parent_id, s.request_id, s.child_id, max(s.is_end) over (partition by s.parent_id, s.request_id) as has_end
    from said as s
)
select 'R14', k.parent_id, concat('its child `', lower(hex(c.id)), '` is `', c.status,
    '`, and no message or record ', if(c.finished_at = 0, 'will tell it of its end', 'tells it so'))
from known as k
straight_join hydra_execution as c on c.id = k.child_id
where not k.has_end
    and not exists (
        select 1
        from hydra_child as l
        where l.child_id = k.child_id
            and l.request_id = unhex(replace(k.request_id, '-', ''))
            and l.parent_id = k.parent_id
    )
