-- Index: primary key of hydra_execution, locked by lock_executions. A time-out that has passed starts again.
update hydra_execution force index (primary)
set status = 'pending',
    run_at = {now},
    cause = '',
    record_count = record_count + 1,
    death_count = 0,
    alone_death_count = 0,
    timeout_at = if(timeout_at = 0 or timeout_at > {now}, timeout_at, {now} + timeout_at - submitted_at)
where id in ({ids})
    and status = 'parked'
