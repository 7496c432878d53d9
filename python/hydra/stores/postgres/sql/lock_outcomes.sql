-- Index: primary key of hydra_outcome. Waits for whoever takes a key over from what has ended; the next statement sees
-- it.
select o.execution_id
from hydra_outcome as o
where o.execution_id = any(%(ids)s)
    and o.namespace = %(namespace)s
order by o.execution_id
for update
