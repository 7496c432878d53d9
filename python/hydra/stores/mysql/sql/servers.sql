-- Index: by_state of hydra_node, primary key of hydra_node_workflow.
select w.name, n.id
from hydra_node as n
join hydra_node_workflow as w on w.node_id = n.id
where n.namespace = {namespace}
    and n.state = 'alive'
