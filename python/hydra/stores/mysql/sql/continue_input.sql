-- Index: primary key of hydra_execution; the row is locked by `commit_read`. The digest stays: it is the key's, and
-- says what was first asked for.
update hydra_execution force index (primary)
set input = {input}
where id = {id}
