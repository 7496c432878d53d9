-- Index: hydra_execution_owner, primary key of hydra_record.
select e.id, e.epoch, (select coalesce(max(r.seq), 0) from hydra_record as r where r.execution_id = e.id)
from hydra_execution as e
where e.owner = :node
order by e.id
