-- Index: primary key of hydra_node_workflow.
delete t from hydra_node_workflow as t force index (primary)
where node_id in ({ids})
