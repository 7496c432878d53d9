-- Index: the first entries of one workflow's range of hydra_ready's primary key; one such select for each workflow.
(
    select {group} as workflow_group, -negated_priority as priority, run_at
    from hydra_ready force index (primary)
    where namespace = {namespace}
        and workflow = {workflow}
        and {bounds}
    order by negated_priority, run_at, id
    limit {slots}
)
