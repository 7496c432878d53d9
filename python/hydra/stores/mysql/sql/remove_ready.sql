-- Index: primary key of hydra_ready. The caller has locked the executions.
delete t from hydra_ready as t force index (primary)
where namespace = {namespace}
    and (workflow, negated_priority, run_at, id) in ({rows})
