-- Index: primary key of hydra_finished. The caller has locked the executions.
delete t from hydra_finished as t force index (primary)
where namespace = {namespace}
    and (finished_at, id) in ({rows})
