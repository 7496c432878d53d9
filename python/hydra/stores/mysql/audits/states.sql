-- Scans hydra_execution. Repeats the table's constraints, for a database that was written with them off.
select 'R10', e.id, concat('status `', e.status, '` with owner ', if(e.owner = {no_node}, 'none', lower(hex(e.owner))),
    ', timer ', e.wake_at, ', finished at ', e.finished_at)
from hydra_execution as e
where e.namespace = {namespace}
    and (
        (e.owner <> {no_node}) <> (e.status = 'running')
        or (e.finished_at <> 0) <> (e.status in ('completed', 'failed', 'cancelled'))
        or (e.wake_at <> 0 and e.status not in ('pending', 'sleeping', 'waiting'))
        or (e.wake_at = 0 and e.status = 'sleeping')
        or (e.status = 'running' and e.claimed_at = 0)
    )
