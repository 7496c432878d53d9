-- Index: primary key of hydra_execution, locked by lock_executions.
update hydra_execution force index (primary)
set status = 'parked',
    wake_at = 0,
    epoch = epoch + 1,
    claimed_at = {now},
    cause = {cause}
where id in ({ids})
    and status in ('pending', 'sleeping', 'waiting')
