-- Index: primary key of hydra_node_workflow.
delete from hydra_node_workflow
where node_id in ({ids})
