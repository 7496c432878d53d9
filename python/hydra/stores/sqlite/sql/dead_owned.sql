-- Index: hydra_node is small; hydra_execution_owner.
select json_group_array(json_array(id, workflow))
from (
    select e.id, e.workflow
    from hydra_node as n
    cross join hydra_execution as e indexed by hydra_execution_owner on e.owner = n.id
    where n.namespace = :namespace
        and n.state = 'dead'  -- guard R8: only a dead node's executions are returned
        and n.id not in (select value from json_each(:sparing))
    limit :limit
)
