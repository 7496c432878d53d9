-- Scans hydra_record and hydra_message of parents that wait, for spawns, their answers and the ends of children, and
-- sorts them by what asked for the child; primary keys of the others. The payload of a spawn or its answer ends with
-- the child's id in quotes. A parent that waits knows of a child's end by a record, or will by a message, or by the
-- link that is left until it is told: a child that goes on has it, too.
with said as (
    select
        r.execution_id as parent_id,
        case when r.kind = 'spawn' then cast(substr(r.payload, -37, 36) as text) else substr(r.name, 15)
            end as request_id,
        cast(substr(r.payload, -37, 36) as text) as child_id,
        0 as is_end
    from hydra_record as r
    join hydra_execution as p on p.id = r.execution_id
    where p.namespace = :namespace
        and p.status in ('waiting', 'sleeping')
        and (r.kind = 'spawn' or (r.kind = 'event' and r.name glob 'hydra.spawned:*'))
        and length(r.payload) = 44
    union all
    select r.execution_id, substr(r.name, 13), null, 1
    from hydra_record as r
    join hydra_execution as p on p.id = r.execution_id
    where p.namespace = :namespace
        and p.status in ('waiting', 'sleeping')
        and r.kind = 'event'
        and r.name glob 'hydra.child:*'
    union all
    select m.execution_id, substr(m.name, 13), null, 1
    from hydra_message as m
    join hydra_execution as p on p.id = m.execution_id
    where p.namespace = :namespace
        and p.status in ('waiting', 'sleeping')
        and m.name glob 'hydra.child:*'
), known as (
    select s.parent_id, s.request_id, s.child_id, max(s.is_end) over (partition by s.parent_id, s.request_id) as has_end
    from said as s
)
select 'R14', k.parent_id, 'its child `' || c.id || '` is `' || c.status || '`, and no message or record '
    || case when c.finished_at is null then 'will tell it of its end' else 'tells it so' end
from known as k
join hydra_execution as c on c.id = k.child_id
where not k.has_end
    and not exists (
        select 1
        from hydra_child as l
        where l.child_id = k.child_id and l.request_id = k.request_id and l.parent_id = k.parent_id
    )
