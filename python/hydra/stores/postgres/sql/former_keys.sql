-- Index: primary keys of hydra_former_key and hydra_submission.
select f.execution_id::text
from hydra_former_key as f
join hydra_submission as s on s.execution_id = any(array[f.execution_id])
where f.execution_id = any(%(ids)s)
    and s.namespace = %(namespace)s
