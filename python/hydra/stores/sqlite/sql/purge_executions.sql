-- Index: primary key of hydra_execution. Last, so that nothing ever refers to a row that is gone.
delete from hydra_execution
where id in (select value from json_each(:ids))
    and finished_at is not null
