-- Index: primary keys of hydra_execution and hydra_submission.
select s.input
from hydra_execution as e
join hydra_submission as s on s.execution_id = e.id
where e.id = :id
    and e.namespace = :namespace
