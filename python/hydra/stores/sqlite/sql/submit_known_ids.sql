-- Index: primary keys of hydra_execution and hydra_submission.
select json_group_array(json_array(e.id, hex(s.digest), e.namespace, e.workflow, s.key))
from json_each(:ids) as r
cross join hydra_execution as e on e.id = r.value
cross join hydra_submission as s on s.execution_id = e.id
