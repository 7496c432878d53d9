-- Index: primary key of hydra_former_key.
delete from hydra_former_key
where execution_id in (select value from json_each(:ids))
