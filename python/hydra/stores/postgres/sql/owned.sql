-- Index: hydra_execution_owner, primary key of hydra_record. Under the node's exclusive lock, so nothing of it is still
-- in flight.
select
    e.id::text,
    e.epoch,
    (select coalesce(max(r.seq), 0) from hydra_record as r where r.execution_id = e.id)
from hydra_execution as e
where e.owner = %(node)s
    and e.status = 'running'
