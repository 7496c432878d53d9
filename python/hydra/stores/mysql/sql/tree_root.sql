-- Index: primary keys of hydra_descendant and hydra_execution.
select root.id
from hydra_descendant as d
join hydra_execution as root on root.id = d.root_id
where d.execution_id = {id}
