-- Index: primary keys of hydra_submission, hydra_execution and hydra_outcome.
select s.execution_id::text, coalesce(e.status, o.status)
from hydra_submission as s
left join hydra_execution as e on e.id = any(array[s.execution_id])
left join hydra_outcome as o on o.execution_id = any(array[s.execution_id])
where s.execution_id = any(%(ids)s)
    and s.namespace = %(namespace)s
