-- Index: primary keys of hydra_child, hydra_execution and hydra_claim.
select
    c.child_id, c.request_id, c.parent_id, coalesce(e.status, 'failed'), coalesce(e.cause, :purged), l.payload
from json_each(:ids) as i
cross join hydra_child as c on c.child_id = i.value
left join hydra_execution as e on e.id = c.child_id
left join hydra_claim as l on l.execution_id = e.id and l.epoch = e.epoch and l.ending = e.status
where e.id is null
    or e.finished_at is not null
