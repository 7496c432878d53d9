-- Index: primary key of hydra_limit_key. In the order of the keys. Lock order: after executions; whoever has a key
-- waits for no execution.
select limit_key, due_at, look_at
from hydra_limit_key force index (primary)
where namespace = {namespace}
    and limit_key in ({keys})
order by limit_key
for update  -- guard R29: one look at a key at a time
