-- Index: primary key of hydra_attribute. Those with which another execution began, of which one is just made.
insert into hydra_attribute (execution_id, name, namespace, value, `first_value`)
select {id}, a.name, a.namespace, a.first_value, a.first_value
from hydra_attribute as a force index (primary)
where a.execution_id = {source}
    and a.namespace = {namespace}
    and a.first_value is not null
