-- Index: primary key of hydra_attribute. Those with which another execution began, for each pair of it and a new one.
insert into hydra_attribute (execution_id, namespace, name, value, first_value)
select i.id, a.namespace, a.name, a.first_value, a.first_value
from unnest(%(sources)s, %(ids)s) as i (source, id)
join hydra_attribute as a on a.execution_id = any(array[i.source])
where a.namespace = %(namespace)s
    and a.first_value is not null
order by i.id, a.name
on conflict (execution_id, name) do nothing
