-- Index: primary key of hydra_execution; a `+` keeps the planner from walking the ready index instead.
update hydra_execution
set status = 'running',
    owner = :node,
    epoch = epoch + 1,  -- guard R10: each claim raises the epoch
    claimed_at = :now,
    started_at = coalesce(started_at, :now),
    priority = coalesce(own_priority, priority),
    run_at = coalesce(own_run_at, run_at),
    own_priority = null,
    own_run_at = null
where id in (select value from json_each(:ids))
    and +namespace = :namespace
    and +status = 'pending'
    and wake_at is null
