-- Index: one range of hydra_execution's by_status.
select count(*)
from hydra_execution force index (by_status)
where namespace = {namespace}
    and status = 'running'
    and owner = {node}
