-- Index: primary key of hydra_execution; the rows are locked by `claim_executions`.
update hydra_execution force index (primary)
set status = 'running',
    owner = {node},
    epoch = epoch + 1,  -- guard R10: each claim raises the epoch
    claimed_at = {now},
    started_at = if(started_at = 0, {now}, started_at),
    priority = coalesce(own_priority, priority),
    run_at = coalesce(own_run_at, run_at),
    own_priority = null,
    own_run_at = null
where id in ({ids})
    and status = 'pending'
