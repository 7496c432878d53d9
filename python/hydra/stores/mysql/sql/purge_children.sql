-- Index: hydra_child's by_parent.
delete c from hydra_child as c force index (by_parent)
where parent_id in ({ids})
