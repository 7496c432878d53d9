-- Index: primary key of hydra_execution. Whoever hears of a child's end, all locked by `heard`: the new `wake_seq` is
-- the number of the last message (R14).
update hydra_execution as e
set status = case when e.status = 'waiting' then 'pending' else e.status end,
    run_at = case when e.status = 'waiting' then %(now)s else e.run_at end,
    wake_at = case when e.status = 'waiting' then null else e.wake_at end,
    wake_seq = e.wake_seq + {of}.message_count
from {of}
where e.id = any(array[{of}.id])
