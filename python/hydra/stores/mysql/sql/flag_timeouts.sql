-- Index: primary key of hydra_execution, locked by lock_free_executions. A request: only the owner ends what runs
-- (R10).
update hydra_execution force index (primary)
set attention = 'timeout'
where id in ({ids})
    and status = 'running'
    and attention = ''
