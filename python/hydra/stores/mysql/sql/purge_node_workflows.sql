-- Index: primary keys of hydra_node and hydra_node_workflow. The node leads to its rows (see remove_deltas).
delete t
from hydra_node as n force index (primary)
straight_join hydra_node_workflow as t force index (primary) on t.node_id = n.id
where n.id in ({ids})
    and n.state = 'empty'
