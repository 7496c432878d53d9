-- Index: primary key of hydra_execution, locked by lock_executions. A request: only the owner ends what runs (R10).
update hydra_execution force index (primary)
set attention = 'cancel'
where id in ({ids})
    and status = 'running'
