-- Scans hydra_node, which is small.
select 'R2', '', format('node `%%s` has no heartbeat row', n.id)
from hydra_node as n
where n.namespace = %(namespace)s
    and not exists (select 1 from hydra_node_beat as b where b.node_id = n.id)
