-- Index: primary key of hydra_execution, locked by lock_free_executions.
update hydra_execution force index (primary)
set status = 'pending',
    run_at = wake_at,
    wake_at = 0
where id in ({ids})
    and status in ('pending', 'sleeping', 'waiting')
    and wake_at <> 0
