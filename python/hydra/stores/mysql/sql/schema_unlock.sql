-- Index: none.
select release_lock(concat('hydra.', left(sha2(database(), 256), 32)))
