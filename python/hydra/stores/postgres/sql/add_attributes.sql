-- Index: primary keys of hydra_submission and hydra_attribute; ids grow with time, so inserts append. A later statement
-- than the submissions: of executions that these have made, now or in an earlier try, whose rows are there (R17).
insert into hydra_attribute (execution_id, namespace, name, value, first_value)
select s.execution_id, s.namespace, i.name, i.value, i.value
from unnest(%(ids)s, %(digests)s, %(names)s, %(keys)s) as i (id, digest, name, value)
join hydra_submission as s on s.execution_id = any(array[i.id])
where s.namespace = %(namespace)s
    and s.digest = i.digest
order by i.id, i.name
on conflict (execution_id, name) do nothing
