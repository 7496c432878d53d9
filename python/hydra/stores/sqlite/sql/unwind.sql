-- Index: primary key of hydra_execution. Due at once: whoever claims it sees why it is to end, undoes what was done and
-- ends it.
update hydra_execution
set status = 'pending',
    attention = :attention,
    run_at = :now,
    wake_at = null,
    cause = ''
where id in (select value from json_each(:ids))
    and namespace = :namespace
    and (status = 'pending' or status = 'sleeping' or status = 'waiting' or status = 'parked')
