-- Index: primary key of hydra_execution, in id order (R14). What it says stays true until this transaction ends.
select
    id, epoch, workflow, attempt, priority, timeout_at, claimed_at, wake_seq, attention, death_count, alone_death_count,
    run_at, record_count, is_child
from hydra_execution force index (primary)
where id in ({ids})
    and owner = {node}
    and status = 'running'
order by id
for update
