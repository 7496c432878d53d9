-- Index: primary key of hydra_consumed.
delete from hydra_consumed
where execution_id in (select value from json_each(:ids))
