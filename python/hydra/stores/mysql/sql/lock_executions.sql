-- Index: primary key of hydra_execution, in id order (R14). Everything else about an execution is written under this
-- lock.
select
    id, workflow, status, owner, epoch, attempt, priority, run_at, wake_at, timeout_at, claimed_at, finished_at,
    attention,
    cause_seq, submitted_at, record_count, wake_seq, timeout_us, gate, first_gate, limit_keys,
    own_priority, own_run_at
from hydra_execution force index (primary)
where id in ({ids})
    and namespace = {namespace}
order by id  -- guard R14: rows are locked in the order of their ids
for update  -- guard R14: whoever wakes or stops locks the row before it decides
