-- Index: primary keys of hydra_execution and hydra_claim.
select e.id, e.status, c.payload, e.cause
from hydra_execution as e force index (primary)
left join hydra_claim as c on c.execution_id = e.id and c.epoch = e.epoch and c.ending = e.status
    and e.status <> 'parked'
where e.id in ({ids})
    and e.namespace = {namespace}
