-- Index: hydra_descendant's by_root, primary key of hydra_execution.
select e.id
from hydra_descendant as d force index (by_root)
join hydra_execution as e on e.id = d.execution_id
where d.root_id = {id}
    and e.finished_at = 0
limit 1
