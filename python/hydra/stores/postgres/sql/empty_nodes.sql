-- Index: hydra_node_present, hydra_execution_owner. A later statement than the one that returned: it sees what that one
-- passed over (R8).
update hydra_node as n
set state = 'empty'
where n.namespace = %(namespace)s
    and n.state = 'dead'
    -- guard R8: a node that still owns something is not empty
    and (select e.owner from hydra_execution as e where e.owner = n.id and e.status = 'running' limit 1) is null
