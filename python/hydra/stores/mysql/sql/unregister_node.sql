-- Index: primary key of hydra_node. The exclusive lock waits for every share lock of a fence (R7).
update hydra_node force index (primary)
set state = 'dead'
where id = {node}
    and session = {session}
    and namespace = {namespace}
    and state = 'alive'
