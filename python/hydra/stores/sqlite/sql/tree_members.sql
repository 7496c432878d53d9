-- Index: hydra_descendant_root, primary key of hydra_execution. No more of them than may go.
select json_group_array(json_array(root_id, id, workflow, status))
from (
    select d.root_id, e.id, e.workflow, e.status
    from json_each(:roots) as r
    cross join hydra_descendant as d indexed by hydra_descendant_root on d.root_id = r.value
    cross join hydra_execution as e on e.id = d.execution_id
    limit :limit
)
