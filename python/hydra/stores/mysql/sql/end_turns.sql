-- Index: primary key of hydra_execution, locked by the caller. Due again: its priority is its own again.
update hydra_execution force index (primary)
set priority = coalesce(own_priority, priority),
    own_priority = null,
    own_run_at = null
where id in ({ids})
