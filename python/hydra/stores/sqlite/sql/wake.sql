-- Index: primary key of hydra_execution. What waits is due; what does not will not suspend before it has looked (R14).
update hydra_execution
set status = case when status = 'waiting' then 'pending' else status end,  -- guard R14: a signal wakes what waits
    run_at = case when status = 'waiting' then :now else run_at end,
    wake_at = case when status = 'waiting' then null else wake_at end,
    wake_seq = woken.value ->> 1  -- guard R14: a signal raises wake_seq
from json_each(:woken) as woken
where hydra_execution.id = woken.value ->> 0
    and namespace = :namespace
    and status not in ('completed', 'failed', 'cancelled')
