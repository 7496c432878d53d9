-- Index: hydra_child_parent.
delete from hydra_child  -- guard R24: a key outlives a purge
where parent_id in (select value from json_each(:ids))  -- guard R24: of its children
