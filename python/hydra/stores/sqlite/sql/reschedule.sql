-- Index: primary key of hydra_execution.
update hydra_execution
set priority = :priority,
    run_at = :run_at,
    wake_at = :wake_at,
    timeout_at = :timeout_at,
    own_priority = null,
    own_run_at = null
where id = :id
    and namespace = :namespace
    and status = 'pending'
    and attention is null
