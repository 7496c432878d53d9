-- Index: primary key of hydra_attribute. Those with which another execution began, for each pair of it and a new one.
insert into hydra_attribute (execution_id, name, namespace, value, first_value)
select r.value ->> 1, a.name, a.namespace, a.first_value, a.first_value
from json_each(:pairs) as r
cross join hydra_attribute as a on a.execution_id = r.value ->> 0
where a.namespace = :namespace
    and a.first_value is not null
