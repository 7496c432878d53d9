-- Index: hydra_node is small. After its beats and workflows.
delete from hydra_node
where namespace = :namespace
    and state = 'empty'
    and registered_at < :older_than
