-- Index: primary key of hydra_execution, locked by lock_free_executions.
delete from hydra_execution
where id in ({ids})
    and status in ('completed', 'failed', 'cancelled')
