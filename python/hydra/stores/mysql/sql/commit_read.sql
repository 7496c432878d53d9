-- Index: primary key of hydra_execution, in id order (R14). What it says stays true until this transaction ends.
select
    id, epoch, workflow, attempt, priority, timeout_at, claimed_at, wake_seq, attention, death_count, alone_death_count,
    run_at, record_count, is_child, gate, first_gate, limit_keys
from hydra_execution force index (primary)
where id in ({ids})
    and owner = {node}  -- guard R10: a commit compares the owner
    and status = 'running'
order by id
for update  -- guard R14: a suspend locks the row before it decides
