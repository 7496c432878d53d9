-- Scans hydra_record for spawns and their answers; primary keys of the others. The payload of either ends with the
-- child's id in quotes. A parent that waits knows of a child's end by a record, or will by a message, or by the link
-- that is left until it is told: a child that goes on has it, too.
with said as materialized (
    select r.execution_id as parent_id, r.kind, r.name, encode(substr(r.payload, 8, 36), 'escape') as child_id
    from hydra_record as r
    where (r.kind = 'spawn' or (r.kind = 'event' and r.name like 'hydra.spawned:%%'))
        and case when length(r.payload) = 44 then get_byte(r.payload, 43) = 34 else false end
), spawned as materialized (
    select
        said.parent_id,
        said.child_id::uuid as child_id,
        case when said.kind = 'spawn' then said.child_id else substr(said.name, 15) end as request_id
    from said
    where said.child_id ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
)
select
    'R14',
    p.id::text,
    format(
        'its child `%%s` is `%%s`, and no message or record %%s',
        s.child_id,
        coalesce(c.status, e.status),
        case when c.status is null then 'will tell it of its end' else 'tells it so' end
    )
from spawned as s
join hydra_execution as p on p.id = s.parent_id and p.namespace = %(namespace)s and p.status in ('waiting', 'sleeping')
left join hydra_outcome as c on c.execution_id = s.child_id
left join hydra_execution as e on e.id = s.child_id
where coalesce(c.execution_id, e.id) is not null
    and not exists (
        select 1
        from hydra_child as l
        where l.child_id = s.child_id and l.request_id::text = s.request_id and l.parent_id = s.parent_id
    )
    and not exists (
        select 1
        from hydra_message as m
        where m.execution_id = s.parent_id and m.name = 'hydra.child:' || s.request_id
    )
    and not exists (
        select 1
        from hydra_record as e
        where e.execution_id = s.parent_id and e.kind = 'event' and e.name = 'hydra.child:' || s.request_id
    )
