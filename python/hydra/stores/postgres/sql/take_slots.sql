-- Index: primary key of hydra_slot.
insert into hydra_slot (namespace, limit_key, execution_id, bound)
select %(namespace)s, i.limit_key, i.id, i.bound
from unnest(%(keys)s, %(ids)s, %(bounds)s) as i (limit_key, id, bound)
on conflict (namespace, limit_key, execution_id) do update set bound = excluded.bound
