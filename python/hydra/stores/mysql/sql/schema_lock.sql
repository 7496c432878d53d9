-- Index: none. Held by the session, so it ends with it.
select get_lock(concat('hydra.', left(sha2(database(), 256), 32)), {seconds})
