-- Index: primary key of hydra_node.
update hydra_node as n
set state = 'dead'
where n.id = %(node)s
    and n.namespace = %(namespace)s
    and n.session = %(session)s
    and n.state = 'alive'
