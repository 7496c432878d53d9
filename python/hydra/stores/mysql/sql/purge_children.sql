-- Index: primary key of hydra_child.
delete c from hydra_child as c force index (primary)
where (child_id, request_id) in ({rows})
