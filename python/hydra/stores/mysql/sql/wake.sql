-- Index: primary key of hydra_execution, locked by lock_executions. What waits is due (R14); `status` is set last.
update hydra_execution force index (primary)
set run_at = if(status = 'waiting', {now}, run_at),
    wake_at = if(status = 'waiting', 0, wake_at),
    wake_seq = wake_seq + 1,
    status = if(status = 'waiting', 'pending', status)
where id in ({ids})
    and finished_at = 0
