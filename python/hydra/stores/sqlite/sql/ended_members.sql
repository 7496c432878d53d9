-- Index: primary key of hydra_execution.
select json_group_array(json_array(e.id, e.workflow, e.status, e.finished_at))
from json_each(:ids) as i
cross join hydra_execution as e on e.id = i.value
where e.namespace = :namespace
    and e.finished_at is not null
