-- Index: primary key of hydra_submission; written once, in the transaction that made the execution.
insert into hydra_submission (execution_id, key, digest, input, tags, submitted_at, timeout_us, limit_keys)
values (?, ?, ?, ?, ?, ?, ?, ?)
