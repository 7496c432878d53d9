-- Index: one range of hydra_execution's by_status; as many rows as the node runs.
select id, epoch, attention
from hydra_execution force index (by_status)
where namespace = {namespace}
    and status = 'running'
    and owner = {node}
    and attention <> ''
