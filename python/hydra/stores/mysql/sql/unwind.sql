-- Index: primary key of hydra_execution, locked by the caller. Due at once: whoever claims it sees why it is to end,
-- undoes what was done and ends it.
update hydra_execution force index (primary)
set status = 'pending',
    attention = {attention},
    run_at = {now},
    wake_at = 0,
    cause = ''
where id in ({ids})
    and status in ('pending', 'sleeping', 'waiting', 'parked')
