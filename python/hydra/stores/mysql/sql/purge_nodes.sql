-- Index: primary key of hydra_node.
delete t from hydra_node as t force index (primary)
where id in ({ids})
    and state = 'empty'
