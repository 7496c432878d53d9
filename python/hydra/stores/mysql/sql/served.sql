-- Index: by_state of hydra_node, then primary key of hydra_node_workflow.
select distinct w.name
from hydra_node as n
join hydra_node_workflow as w on w.node_id = n.id
where n.namespace = {namespace}
    and n.state = 'alive'
