-- Index: primary key of hydra_deadline. The caller has locked the executions.
delete t from hydra_deadline as t force index (primary)
where namespace = {namespace}
    and (timeout_at, id) in ({rows})
