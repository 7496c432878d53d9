-- Index: primary keys of hydra_node and hydra_node_beat. The only thing a heartbeat writes (R2); takes the fence (R6).
with fence as materialized (
    select n.id
    from hydra_node as n
    where n.id = %(node)s
        and n.session = %(session)s  -- guard R16: the fence compares the session
        and n.namespace = %(namespace)s
        and n.state = 'alive'  -- guard R6: the fence asks whether the node is alive
    -- guard R2: a heartbeat shares its node's row
    -- guard R6: a share lock on the node's row
    for share
)
update hydra_node_beat as b
set counter = b.counter + 1,
    beat_at = %(now)s
from fence
where b.node_id = fence.id
returning (select count(*) from hydra_execution as e where e.owner = fence.id and e.status = 'running'), b.counter
