-- Index: primary key of hydra_key. Locks, so it waits for a submission under way and sees what it left, in any
-- isolation.
select key_hash, execution_id, digest
from hydra_key force index (primary)
where key_hash in ({hashes})
lock in share mode
