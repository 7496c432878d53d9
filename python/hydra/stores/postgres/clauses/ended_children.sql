-- Index: primary keys of hydra_outcome, hydra_claim and hydra_execution. Of a purged one nobody knows how it ended.
select
    c.child_id as id,
    c.request_id,
    true as is_child,
    coalesce(o.status, 'failed') as status,
    coalesce(o.cause, %(purged)s) as cause,
    l.payload
from hydra_child as c
left join hydra_outcome as o on o.execution_id = any(array[c.child_id])
left join hydra_claim as l on l.execution_id = any(array[o.execution_id]) and l.epoch = o.epoch
    and l.ending = o.status
where {only}
    and (o.execution_id is not null or not exists (select 1 from hydra_execution as e
        where e.id = any(array[c.child_id])))
