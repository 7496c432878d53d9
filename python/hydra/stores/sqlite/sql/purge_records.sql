-- Index: primary key of hydra_record.
delete from hydra_record
where execution_id in (select value from json_each(:ids))
