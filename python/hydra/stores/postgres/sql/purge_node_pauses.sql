-- Index: primary key of hydra_pause; hydra_node is small. With the nodes that were told to drain.
delete from hydra_pause as p
where p.namespace = %(namespace)s
    and p.kind = 'node'
    and p.name = any(array(
        select n.id::text
        from hydra_node as n
        where n.namespace = %(namespace)s
            and n.state = 'empty'
            and n.registered_at < %(older_than)s
    ))
