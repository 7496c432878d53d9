-- Index: primary key of hydra_execution.
update hydra_execution
set status = 'failed',
    cause = 'timeout',
    cause_seq = 0,
    wake_at = null,
    finished_at = :now
where id in (select value from json_each(:ids))
    and status in ('pending', 'sleeping', 'waiting')
