-- Index: primary keys of hydra_execution and hydra_claim.
select e.id, e.status, c.payload, e.cause
from json_each(:ids) as i
cross join hydra_execution as e on e.id = i.value
left join hydra_claim as c on c.execution_id = e.id and c.epoch = e.epoch and c.ending = e.status
    and e.status <> 'parked'
where e.namespace = :namespace
