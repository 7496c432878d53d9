-- Index: primary key of hydra_node. Any late transaction of the session before is refused from here on (R16).
update hydra_node
set session = max(session, :session) + 1  -- guard R16: a resync raises the session
where id = :node
    and namespace = :namespace
    and state = 'alive'  -- guard R16: a dead node's resync is refused
returning session
