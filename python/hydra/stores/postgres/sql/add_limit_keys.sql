-- Index: primary key of hydra_limit_key; keys come sorted, so two nodes never wait in a ring.
insert into hydra_limit_key (namespace, limit_key, due_at)
select %(namespace)s, i.limit_key, 0
from unnest(%(keys)s) as i (limit_key)
on conflict (namespace, limit_key) do nothing
