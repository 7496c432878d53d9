-- Scans hydra_record for spawns and their answers; primary keys of the others. The payload of either ends with the
-- child's id in quotes. A parent that waits knows of a child's end by a record, or will by a message, or by the link
-- that is left until it is told.
select 'R14', p.id, concat('its child `', lower(hex(c.id)), '` is `', c.status,
    '`, and no message or record tells it so')
from (
    select
        r.execution_id as parent_id,
        unhex(replace(substring(r.payload, -37, 36), '-', '')) as child_id,
        if(r.kind = 'spawn', substring(r.payload, -37, 36), substring(r.name, 15)) as request_id
    from hydra_record as r
    where (r.kind = 'spawn' or (r.kind = 'event' and r.name like 'hydra.spawned:%'))
        and length(r.payload) = 44
) as s
join hydra_execution as p on p.id = s.parent_id and p.namespace = {namespace} and p.status in ('waiting', 'sleeping')
join hydra_execution as c on c.id = s.child_id and c.finished_at <> 0
where not exists (
        select 1
        from hydra_child as l
        where l.child_id = s.child_id and l.request_id = unhex(replace(s.request_id, '-', ''))
    )
    and not exists (
        select 1
        from hydra_message as m
        where m.execution_id = s.parent_id and m.name = concat('hydra.child:', s.request_id)
    )
    and not exists (
        select 1
        from hydra_record as e
        where e.execution_id = s.parent_id and e.kind = 'event' and e.name = concat('hydra.child:', s.request_id)
    )
