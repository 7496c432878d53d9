-- Index: primary key of hydra_delta, locked by lock_deltas; its rows lead to themselves. By a list of ids MariaDB may
-- scan the table and wait there for callers' transactions, which stay open as long as they like: a delete from one
-- table takes no index, and a join takes the whole of it, unless a column outside of it is asked for, too.
delete t
from hydra_delta as d force index (primary)
straight_join hydra_delta as t force index (primary) on t.id = d.id
where d.id in ({ids})
    and d.namespace = {namespace}
