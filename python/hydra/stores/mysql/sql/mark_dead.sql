-- Index: primary key of hydra_node, locked by lock_node.
update hydra_node force index (primary)
set state = 'dead'
where id = {node}
    and state = 'alive'
