-- Index: primary key of hydra_key, whose rows lock_keys has locked.
delete from hydra_key
where key_hash in ({hashes})
