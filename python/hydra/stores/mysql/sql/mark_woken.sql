-- Index: primary key of hydra_execution, locked by lock_executions. What does not wait will not suspend before it has
-- looked (R14).
update hydra_execution force index (primary)
set wake_seq = wake_seq + {added}  -- guard R14: a signal raises wake_seq
where id in ({ids})
    and status in ('pending', 'running', 'sleeping', 'parked')
