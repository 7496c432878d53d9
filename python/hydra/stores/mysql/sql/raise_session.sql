-- Index: primary key of hydra_node, locked by resync.
update hydra_node force index (primary)
set session = session + 1
where id = {node}
