-- Index: primary key of hydra_node. Whatever the old connection still sends is refused from here on (R16).
update hydra_node as n
set session = n.session + 1
where n.id = %(node)s
    and n.namespace = %(namespace)s
    and n.state = 'alive'
    and n.session >= %(session)s
returning n.session
