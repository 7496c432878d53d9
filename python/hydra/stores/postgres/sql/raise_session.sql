-- Index: primary key of hydra_node. Whatever the old connection still sends is refused from here on (R16).
update hydra_node as n
set session = greatest(n.session, %(session)s) + 1  -- guard R16: a resync raises the session
where n.id = %(node)s
    and n.namespace = %(namespace)s
    and n.state = 'alive'  -- guard R16: a dead node's resync is refused
returning n.session
