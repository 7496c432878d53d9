-- Index: primary key of hydra_node.
delete from hydra_node
where id in ({ids})
    and state = 'empty'
