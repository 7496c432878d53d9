-- Index: primary key of hydra_execution, locked by lock_free_executions. Waits at another key.
update hydra_execution force index (primary)
set gate = {gate}
where id in ({ids})
    and status = 'pending'
    and wake_at = 9223372036854775807
