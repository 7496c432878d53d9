-- Index: primary key of hydra_progress.
delete from hydra_progress
where execution_id in (select value from json_each(:ids))
