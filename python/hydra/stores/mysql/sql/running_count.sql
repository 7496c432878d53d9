-- Index: one range of hydra_execution's by_status, primary key of hydra_node_beat.
select count(*), (select b.counter from hydra_node_beat as b where b.node_id = {node})
from hydra_execution force index (by_status)
where namespace = {namespace}
    and status = 'running'
    and owner = {node}
