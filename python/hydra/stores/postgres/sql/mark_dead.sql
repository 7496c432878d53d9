-- Index: primary keys of hydra_node and hydra_node_beat. A later statement than the lock, so it sees the last beat
-- (R3).
update hydra_node as n
set state = 'dead'
from hydra_node_beat as b
where n.id = %(node)s
    and n.namespace = %(namespace)s
    and n.state = 'alive'
    and b.node_id = n.id
    -- guard R3: a node that beat after it was looked at lives
    and (%(counter)s::bigint is null or b.counter = %(counter)s)
returning n.id::text
