-- Index: one range of hydra_execution's by_status; as many rows as the node runs.
select id, epoch, attention
from hydra_execution force index (by_status)
where namespace = {namespace}
    and status = 'running'
    and owner = {node}
    and attention <> ''
union all
select {node}, 0, 'drain'
from hydra_pause
where namespace = {namespace}
    and kind = 'node'
    and name = {node_name}
