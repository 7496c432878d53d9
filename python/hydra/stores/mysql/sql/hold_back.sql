-- Index: primary key of hydra_execution, locked (or just made) by the caller. Waits at the first of its keys.
update hydra_execution force index (primary)
set wake_at = 9223372036854775807,
    gate = first_gate
where id in ({ids})
    and status = 'pending'
