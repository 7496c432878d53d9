-- Index: primary key of hydra_child.
delete from hydra_child
where child_id in (select value from json_each(:ids))
