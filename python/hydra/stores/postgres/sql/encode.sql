-- Index: none. Until the caller's transaction ends, or the savepoint it is in is rolled back.
select set_config('client_encoding', %(encoding)s, true)
