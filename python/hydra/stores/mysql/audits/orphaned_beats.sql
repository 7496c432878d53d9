-- Scans hydra_node and hydra_node_beat, both small.
select 'R2', '', concat('node `', lower(hex(n.id)), '` has no heartbeat row')
from hydra_node as n
where n.namespace = {namespace}
    and not exists (select 1 from hydra_node_beat as b where b.node_id = n.id)
union all
select 'R2', '', concat('the heartbeat row of `', lower(hex(b.node_id)), '` has no node')
from hydra_node_beat as b
where not exists (select 1 from hydra_node as n where n.id = b.node_id)
