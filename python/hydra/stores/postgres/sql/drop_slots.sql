-- Index: primary key of hydra_slot. What somebody else is just taking away is left to them.
delete from hydra_slot as s
using (
    select d.namespace, d.limit_key, d.execution_id
    from unnest(%(keys)s, %(ids)s) as i (limit_key, id)
    join hydra_slot as d on d.namespace = %(namespace)s and d.limit_key = i.limit_key and d.execution_id = i.id
    for update of d skip locked
) as gone
where s.namespace = gone.namespace
    and s.limit_key = gone.limit_key
    and s.execution_id = gone.execution_id
