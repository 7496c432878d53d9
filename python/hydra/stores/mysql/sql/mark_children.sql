-- Index: primary key of hydra_execution. Whoever is ending one of them has it locked, and is waited for.
update hydra_execution force index (primary)
set is_child = 1
where id in ({ids})
