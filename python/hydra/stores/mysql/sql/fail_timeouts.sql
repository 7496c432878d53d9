-- Index: primary key of hydra_execution, locked by lock_free_executions.
update hydra_execution force index (primary)
set status = 'failed',
    cause = 'timeout',
    cause_seq = 0,
    wake_at = 0,
    finished_at = {now}
where id in ({ids})
    and status in ('pending', 'sleeping', 'waiting')
