-- Index: primary key of hydra_execution, locked by lock_executions. Due at once: whoever claims it sees the cancel, undoes
-- what was done and ends it.
update hydra_execution force index (primary)
set status = 'pending',
    attention = 'cancel',
    run_at = {now},
    wake_at = 0
where id in ({ids})
    and status in ('pending', 'sleeping', 'waiting')
