-- Index: primary key of hydra_execution, locked by lock_executions. What waits is due (R14).
update hydra_execution force index (primary)
set status = 'pending',
    run_at = {now},
    wake_at = 0,
    wake_seq = wake_seq + {added}
where id in ({ids})
    and status = 'waiting'
