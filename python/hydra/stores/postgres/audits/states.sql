-- Scans hydra_execution. Repeats the table's constraints, for a database that was written with them off.
select
    'R10',
    e.id::text,
    format(
        'status `%%s` with owner %%s, timer %%s',
        e.status, coalesce('`' || e.owner || '`', 'none'), coalesce(e.wake_at::text, 'none')
    )
from hydra_execution as e
where e.namespace = %(namespace)s
    and (
        e.status not in ('pending', 'running', 'sleeping', 'waiting', 'parked')
        or (e.owner is not null) <> (e.status = 'running')
        or (e.wake_at is not null and e.status not in ('pending', 'sleeping', 'waiting'))
        or (e.wake_at is null and e.status = 'sleeping')
        or (e.status = 'running' and e.claimed_at is null)
    )
