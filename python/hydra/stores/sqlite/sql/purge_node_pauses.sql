-- Index: primary keys of hydra_pause and hydra_node. With the nodes that were told to drain.
delete from hydra_pause
where namespace = :namespace
    and kind = 'node'
    and name in (
        select n.id
        from hydra_node as n
        where n.namespace = :namespace
            and n.state = 'empty'
            and n.registered_at < :older_than
    )
