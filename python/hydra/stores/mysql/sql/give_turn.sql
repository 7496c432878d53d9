-- Index: primary key of hydra_execution, locked by lock_free_executions. Ordered by its turn from now on; its own
-- priority and instant are kept.
update hydra_execution force index (primary)
set own_priority = coalesce(own_priority, priority),
    own_run_at = coalesce(own_run_at, run_at),
    priority = 0,
    run_at = {run_at}
where id = {id}
    and status = 'pending'
    and wake_at = 9223372036854775807
