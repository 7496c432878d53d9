-- Index: primary key of hydra_key, which refuses a known key. Rows are in key order, so that submitters queue and never cross.
insert into hydra_key (namespace, workflow, key_hash, idempotency_key, execution_id, digest, created_at)
values {rows}
