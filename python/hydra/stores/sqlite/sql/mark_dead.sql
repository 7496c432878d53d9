-- Index: primary keys of hydra_node and hydra_node_beat. The write lock is the row's exclusive lock (R7).
update hydra_node
set state = 'dead'
where id = :node
    and namespace = :namespace
    and state = 'alive'
    -- guard R3: a node that beat after it was looked at lives
    and (:counter is null or :counter = (select counter from hydra_node_beat where node_id = :node))
