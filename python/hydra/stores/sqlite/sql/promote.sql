-- Index: primary key of hydra_execution.
update hydra_execution
set status = 'pending',
    run_at = wake_at,
    wake_at = null
where id in (select value from json_each(:ids))
    and status in ('pending', 'sleeping', 'waiting')
    and wake_at is not null
