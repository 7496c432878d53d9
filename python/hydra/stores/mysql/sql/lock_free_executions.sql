-- Index: primary key of hydra_execution. Like lock_executions, but leaves to others what they hold: for chores.
select
    id, workflow, status, owner, epoch, attempt, priority, run_at, wake_at, timeout_at, claimed_at, finished_at, attention,
    cause_seq, submitted_at, record_count
from hydra_execution force index (primary)
where id in ({ids})
    and namespace = {namespace}
order by id
for update skip locked
