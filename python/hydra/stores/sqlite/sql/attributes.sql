-- Index: primary key of hydra_attribute.
select a.execution_id, a.name, a.value
from json_each(:ids) as i
cross join hydra_attribute as a on a.execution_id = i.value
where a.value is not null
