-- Index: primary keys of hydra_submission, hydra_outcome, hydra_execution and hydra_claim.
select s.execution_id::text, coalesce(o.status, e.status), c.payload, coalesce(o.cause, '')
from hydra_submission as s
left join hydra_outcome as o on o.execution_id = any(array[s.execution_id])
left join hydra_execution as e on e.id = any(array[s.execution_id]) and e.status = 'parked'
left join hydra_claim as c on c.execution_id = any(array[o.execution_id]) and c.epoch = o.epoch and c.ending = o.status
where s.execution_id = any(%(ids)s)
    and s.namespace = %(namespace)s
