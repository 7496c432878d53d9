-- Index: primary key of hydra_execution.
update hydra_execution
set is_child = 1
where id in (select value from json_each(:ids))
