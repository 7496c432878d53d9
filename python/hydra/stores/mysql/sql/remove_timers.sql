-- Index: primary key of hydra_timer. The caller has locked the executions.
delete t from hydra_timer as t force index (primary)
where namespace = {namespace}
    and (due_at, id) in ({rows})
