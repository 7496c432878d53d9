-- Index: hydra_node_present, primary key of hydra_node_workflow.
select w.workflow, n.id::text
from hydra_node as n
join hydra_node_workflow as w on w.node_id = n.id
where n.namespace = %(namespace)s
    and n.state = 'alive'
