-- Index: primary key of hydra_execution. Each message gets a number below the new `wake_seq` (R14).
update hydra_execution as e
set status = case when e.status = 'waiting' then 'pending' else e.status end,
    run_at = case when e.status = 'waiting' then %(now)s else e.run_at end,
    wake_at = case when e.status = 'waiting' then null else e.wake_at end,
    wake_seq = e.wake_seq + (select count(*) from link where link.parent_id = e.id)::integer
from parent
where e.id = any(array[parent.id])
returning e.id, e.wake_seq
