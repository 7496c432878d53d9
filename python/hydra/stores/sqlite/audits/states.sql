-- Scans hydra_execution. Repeats the table's constraints, for a database that was written with them off.
select 'R10', e.id, 'status `' || e.status || '` with owner ' || coalesce('`' || e.owner || '`', 'none') || ', timer '
    || coalesce(e.wake_at, 'none') || ', finished at ' || coalesce(e.finished_at, 'never')
from hydra_execution as e
where e.namespace = :namespace
    and (
        e.status not in ('pending', 'running', 'sleeping', 'waiting', 'completed', 'failed', 'cancelled', 'parked')
        or (e.owner is not null) <> (e.status = 'running')
        or (e.finished_at is not null) <> (e.status in ('completed', 'failed', 'cancelled'))
        or (e.wake_at is not null and e.status not in ('pending', 'sleeping', 'waiting'))
        or (e.wake_at is null and e.status = 'sleeping')
        or (e.status = 'running' and e.claimed_at is null)
    )
