-- Index: primary key of hydra_node_workflow; hydra_node is small.
select nw.workflow, n.id
from hydra_node as n
cross join hydra_node_workflow as nw on nw.node_id = n.id
where n.namespace = :namespace
    and n.state = 'alive'
