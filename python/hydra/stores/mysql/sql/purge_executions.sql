-- Index: primary key of hydra_execution, locked by lock_free_executions.
delete t from hydra_execution as t force index (primary)
where id in ({ids})
    and status in ('completed', 'failed', 'cancelled')
