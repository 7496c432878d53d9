-- Index: primary keys of hydra_node and hydra_node_beat. The only thing a heartbeat writes (R2); takes the fence (R6).
with fence as materialized (
    select n.id
    from hydra_node as n
    where n.id = %(node)s
        and n.session = %(session)s
        and n.namespace = %(namespace)s
        and n.state = 'alive'
    for share
)
update hydra_node_beat as b
set counter = b.counter + 1,
    beat_at = %(now)s
from fence
where b.node_id = fence.id
returning (select count(*) from hydra_execution as e where e.owner = fence.id and e.status = 'running'), b.counter
