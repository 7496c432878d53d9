-- Index: none. Held by the session, so it ends with it.
select get_lock(concat('hydra.', left(sha1(database()), 32)), {seconds})
