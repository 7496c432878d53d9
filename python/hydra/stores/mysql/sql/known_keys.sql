-- Index: primary key of hydra_key. Locks nothing: for a look that may be out of date.
select key_hash, execution_id
from hydra_key force index (primary)
where key_hash in ({hashes})
