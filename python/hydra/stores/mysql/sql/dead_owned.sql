-- Index: one range of hydra_execution's by_status. Only says where to look: the executions are locked and read next.
select id
from hydra_execution force index (by_status)
where namespace = {namespace}
    and status = 'running'
    and owner = {node}
order by id
limit {limit}
