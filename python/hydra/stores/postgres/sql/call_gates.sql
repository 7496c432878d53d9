-- Index: none is read.
insert into hydra_gate_call (namespace, limit_key)
select %(namespace)s, i.limit_key
from unnest(%(keys)s) as i (limit_key)
