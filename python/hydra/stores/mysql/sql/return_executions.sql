-- Index: primary key of hydra_execution, locked by lock_executions.
update hydra_execution force index (primary)
set status = 'pending',
    owner = {no_node},
    run_at = {now},
    attention = if(attention = 'timeout', '', attention)
where id in ({ids})
    and status = 'running'
    and owner = {node}
