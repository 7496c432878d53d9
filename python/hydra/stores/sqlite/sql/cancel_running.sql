-- Index: primary key of hydra_execution. A request: only the owner ends what runs (R10).
update hydra_execution
set attention = 'cancel'
where id in (select value from json_each(:ids))
    and namespace = :namespace
    and status = 'running'
