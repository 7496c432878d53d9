-- Index: primary key of hydra_attribute.
delete from hydra_attribute
where execution_id in (select value from json_each(:ids))
