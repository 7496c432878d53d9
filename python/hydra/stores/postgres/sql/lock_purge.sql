-- Index: primary key of hydra_outcome. In the order of the ids; whoever retries one of them comes before this, or finds
-- it gone.
select o.execution_id
from hydra_outcome as o
where o.execution_id = any(%(locked_ids)s)
order by o.execution_id
for update
