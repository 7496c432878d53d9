-- Index: primary keys of hydra_child, hydra_execution and hydra_claim.
select c.child_id, c.request_id, c.parent_id, coalesce(e.status, 'failed'), coalesce(e.cause, {purged}), l.payload
from hydra_child as c force index (primary)
left join hydra_execution as e force index (primary) on e.id = c.child_id
left join hydra_claim as l on l.execution_id = e.id and l.epoch = e.epoch and l.ending = e.status
where c.child_id in ({ids})
    and (e.id is null or e.finished_at <> 0)
order by c.child_id, c.request_id
