-- Index: primary key of hydra_key, which refuses a known key. Rows are in its order, so submitters queue and never
-- cross.
-- guard R18: a key that is known is never written over
insert into hydra_key (key_hash, namespace, workflow, idempotency_key, execution_id, digest, created_at)
values {rows}
