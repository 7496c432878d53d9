-- Index: primary key of hydra_key.
select json_group_array(json_array(k.workflow, k.key, k.execution_id, hex(k.digest)))
from json_each(:rows) as r
cross join hydra_key as k
    on k.namespace = :namespace
    and k.workflow = r.value ->> 0
    and k.key = r.value ->> 1
