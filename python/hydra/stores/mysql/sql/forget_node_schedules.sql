-- Index: primary key of hydra_node_schedule; the node's own rows.
delete t from hydra_node_schedule as t force index (primary)
where node_id = {node}
