-- Index: one range of hydra_execution's by_status, then the last entry of each range of hydra_record's primary key.
select e.id, e.epoch, coalesce((select max(seq) from hydra_record as r where r.execution_id = e.id), 0)
from hydra_execution as e
where e.namespace = {namespace}
    and e.status = 'running'
    and e.owner = {node}
order by e.id
