-- Index: primary key of hydra_execution, locked by lock_executions.
update hydra_execution force index (primary)
set priority = {priority},
    run_at = {run_at},
    wake_at = {wake_at},
    timeout_at = {timeout_at},
    own_priority = null,
    own_run_at = null
where id = {id}
    and status = 'pending'
