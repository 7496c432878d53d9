-- Index: primary key of hydra_execution. What waits is due; what does not will not suspend before it has looked (R14).
update hydra_execution
set status = case when status = 'waiting' then 'pending' else status end,
    run_at = case when status = 'waiting' then :now else run_at end,
    wake_at = case when status = 'waiting' then null else wake_at end,
    wake_seq = wake_seq + 1
where id in (select value from json_each(:ids))
    and namespace = :namespace
    and status not in ('completed', 'failed', 'cancelled')
