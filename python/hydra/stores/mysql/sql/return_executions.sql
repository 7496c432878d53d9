-- Index: primary key of hydra_execution, locked by lock_executions. A time-out that was decided stays so: the next
-- claim ends it.
update hydra_execution force index (primary)
set status = 'pending',
    owner = {no_node},
    run_at = {now}
where id in ({ids})
    and status = 'running'
    and owner = {node}
