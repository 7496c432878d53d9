-- Index: primary key of hydra_node, in id order. Locks nothing: the fence of each is taken next.
select id, session
from hydra_node force index (primary)
where id in ({ids})
    and namespace = {namespace}
    and state = 'alive'  -- guard R27: a successor is alive at the commit
order by id
