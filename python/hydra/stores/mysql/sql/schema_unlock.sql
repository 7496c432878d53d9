-- Index: none.
select release_lock(concat('hydra.', left(sha1(database()), 32)))
