-- Index: primary keys of hydra_key and hydra_execution.
select json_group_array(json_array(k.workflow, k.key, k.execution_id, hex(k.digest), e.id is null))
from json_each(:rows) as r
cross join hydra_key as k
    on k.namespace = :namespace
    and k.workflow = r.value ->> 0
    and k.key = r.value ->> 1
left join hydra_execution as e on e.id = k.execution_id
