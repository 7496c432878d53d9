-- Index: primary keys of hydra_execution and hydra_submission.
select e.id, s.input
from json_each(:ids) as i
cross join hydra_execution as e on e.id = i.value
cross join hydra_submission as s on s.execution_id = e.id
where e.namespace = :namespace
