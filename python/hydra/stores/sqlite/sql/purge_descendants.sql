-- Index: primary key of hydra_descendant.
delete from hydra_descendant
where execution_id in (select value from json_each(:ids))
