-- Index: primary keys of hydra_submission and hydra_attribute. The share lock keeps the execution from being purged
-- meanwhile. With which an execution began stays. Rows in the order of their keys.
with there as materialized (
    select s.execution_id
    from hydra_submission as s
    where s.execution_id = any(%(ids)s)
        and s.namespace = %(namespace)s
    order by s.execution_id
    for key share
)
insert into hydra_attribute (execution_id, namespace, name, value)
select i.id, %(namespace)s, i.name, i.value
from unnest(%(ids)s, %(names)s, %(keys)s) as i (id, name, value)
where (i.id in (select there.execution_id from there)) is true  -- as a join all would be compared
order by i.id, i.name
on conflict (execution_id, name) do update
set value = excluded.value
