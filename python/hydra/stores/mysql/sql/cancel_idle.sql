-- Index: primary key of hydra_execution, locked by lock_executions.
update hydra_execution force index (primary)
set status = 'cancelled',
    attention = 'cancel',
    wake_at = 0,
    finished_at = {now}
where id in ({ids})
    and status in ('pending', 'sleeping', 'waiting', 'parked')  -- guard R10: the statement asks, too
