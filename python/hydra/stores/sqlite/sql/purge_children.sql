-- Index: hydra_child_parent.
delete from hydra_child
where parent_id in (select value from json_each(:ids))
