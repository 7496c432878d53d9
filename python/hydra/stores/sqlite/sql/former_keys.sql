-- Index: primary key of hydra_former_key.
select f.execution_id
from json_each(:ids) as i
cross join hydra_former_key as f on f.execution_id = i.value
