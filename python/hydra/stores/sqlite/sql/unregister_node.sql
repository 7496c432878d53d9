-- Index: primary key of hydra_node.
update hydra_node
set state = 'dead'
where id = :node
    and session = :session
    and namespace = :namespace
    and state = 'alive'
