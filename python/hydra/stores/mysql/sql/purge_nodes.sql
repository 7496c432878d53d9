-- Index: primary key of hydra_node; its rows lead to themselves (see remove_deltas).
delete t
from hydra_node as n force index (primary)
straight_join hydra_node as t force index (primary) on t.id = n.id
where n.id in ({ids})
    and n.state = 'empty'
