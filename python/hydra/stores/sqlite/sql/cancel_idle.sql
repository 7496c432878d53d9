-- Index: primary key of hydra_execution.
update hydra_execution
set status = 'cancelled',
    attention = 'cancel',
    wake_at = null,
    finished_at = :now
where id in (select value from json_each(:ids))
    and namespace = :namespace
    and status in ('pending', 'sleeping', 'waiting', 'parked')  -- guard R15: a finish that committed first stands
