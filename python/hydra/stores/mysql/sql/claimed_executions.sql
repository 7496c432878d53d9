-- Index: primary key of hydra_execution. What a node owns of these, as `claim` gave it (R16).
select
    id, epoch, workflow, idempotency_key, input, attempt, priority, run_at, claimed_at, submitted_at, timeout_at,
    wake_seq,
    attention, death_count, alone_death_count, tags, record_count
from hydra_execution force index (primary)
where id in ({ids})
    and owner = {node}
    and status = 'running'
for update
