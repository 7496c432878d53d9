-- Index: primary key of hydra_execution. Skips what a canceller holds: it wants the ready row that we hold (R14).
select
    -- guard R10: and what is claimed knows it
    id, epoch + 1, workflow, idempotency_key, input, attempt,
    coalesce(own_priority, priority), coalesce(own_run_at, run_at), {now}, submitted_at, timeout_at,
    wake_seq,
    attention, death_count, alone_death_count, tags, record_count, gate
from hydra_execution force index (primary)
where id in ({ids})
    and status = 'pending'
for update skip locked  -- guard R14: claims skip executions that are locked
