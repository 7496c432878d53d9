-- Index: primary key of hydra_key. Locks, so it waits for a submission under way and sees what it left, in any isolation.
select workflow, idempotency_key, execution_id, digest
from hydra_key force index (primary)
where namespace = {namespace}
    and (workflow, key_hash) in ({keys})
lock in share mode
