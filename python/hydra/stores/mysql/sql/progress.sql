-- Index: primary keys of hydra_execution and hydra_progress.
select p.execution_id, p.branch, p.name, p.ordinal, p.attempt, p.payload, p.started_at, p.reported_at
from hydra_progress as p
join hydra_execution as e on e.id = p.execution_id
where p.execution_id = {id}
    and e.namespace = {namespace}
