-- Index: primary key of hydra_execution. Locks, so it waits for a submission under way and sees what it left.
select id, namespace, workflow, digest, idempotency_key
from hydra_execution force index (primary)
where id in ({ids})
lock in share mode
