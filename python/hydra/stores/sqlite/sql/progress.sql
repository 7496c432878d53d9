-- Index: primary keys of hydra_execution and hydra_progress.
select p.execution_id, p.branch, p.name, p.ordinal, p.attempt, p.payload, p.started_at, p.reported_at
from hydra_progress as p
where p.execution_id = :id
    and exists (select 1 from hydra_execution as e where e.id = :id and e.namespace = :namespace)
