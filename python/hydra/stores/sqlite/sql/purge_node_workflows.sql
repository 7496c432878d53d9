-- Index: hydra_node is small; primary key of hydra_node_workflow.
delete from hydra_node_workflow
where node_id in (select id from hydra_node where namespace = :namespace and state = 'empty'
    and registered_at < :older_than)
