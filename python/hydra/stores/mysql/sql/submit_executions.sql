-- Index: primary key of hydra_execution, which refuses a known id. Ids grow with time, so inserts append.
insert into hydra_execution (
    id, namespace, workflow, idempotency_key, status, owner, epoch, attempt, priority, submitted_at, run_at, wake_at,
    timeout_at, claimed_at, started_at, finished_at, wake_seq, record_count, attention, death_count, alone_death_count,
    cause,
    cause_seq, digest, tags, input, timeout_us, gate, first_gate, limit_keys
)
values {rows}
