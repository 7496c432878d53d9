-- Index: primary key of hydra_ready. The caller has locked the executions.
delete from hydra_ready
where namespace = {namespace}
    and (workflow, negated_priority, run_at, id) in ({rows})
