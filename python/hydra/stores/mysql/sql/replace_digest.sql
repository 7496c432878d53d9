-- Index: primary key of hydra_key, locked by lock_keys. Its key leads to the digest of the arguments that it will begin
-- with.
update hydra_key force index (primary)
set digest = {digest}
where key_hash = {key_hash}
    and execution_id = {id}
