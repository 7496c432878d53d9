-- Index: primary key of hydra_execution, locked by lock_free_executions. May run; where it waits the next time is the
-- first of its keys.
update hydra_execution force index (primary)
set wake_at = 0,
    gate = first_gate
where id in ({ids})
    and status = 'pending'
    and wake_at = 9223372036854775807
