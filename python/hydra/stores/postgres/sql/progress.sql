-- Index: primary keys of hydra_submission and hydra_progress.
select p.execution_id::text, p.branch, p.name, p.ordinal, p.attempt, p.payload, p.started_at, p.reported_at
from hydra_submission as s
join hydra_progress as p on p.execution_id = any(array[s.execution_id])
where s.execution_id = any(%(ids)s)
    and s.namespace = %(namespace)s
