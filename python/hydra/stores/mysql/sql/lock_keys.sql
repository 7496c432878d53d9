-- Index: primary key of hydra_key, in its order: keys before executions. Of many who want a key that is free again, one
-- gets it.
select key_hash, execution_id, created_at
from hydra_key force index (primary)
where key_hash in ({hashes})
order by key_hash
for update
