-- Index: hydra_node is small. Beats and workflows go with it.
delete from hydra_node
where namespace = %(namespace)s
    and state = 'empty'
    and registered_at < %(older_than)s
