-- Index: primary key of hydra_execution. Like lock_executions, but leaves to others what they hold: for maintenance.
select
    id, workflow, status, owner, epoch, attempt, priority, run_at, wake_at, timeout_at, claimed_at, finished_at,
    attention,
    cause_seq, submitted_at, record_count, wake_seq, timeout_us, gate, first_gate, limit_keys,
    own_priority, own_run_at
from hydra_execution force index (primary)
where id in ({ids})
    and namespace = {namespace}
order by id
for update skip locked  -- guard R15: a time-out passes over what is being ended
