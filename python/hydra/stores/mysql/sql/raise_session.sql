-- Index: primary key of hydra_node, locked by resync.
update hydra_node force index (primary)
set session = {session}  -- guard R16: a resync raises the session
where id = {node}
