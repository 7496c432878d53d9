-- Index: the first entry of one range of hydra_ready's primary key; one such select for each gap between priorities.
(
    select {group} as workflow_group, negated_priority, run_at, id
    from hydra_ready force index (primary)
    where namespace = {namespace}
        and workflow = {workflow}
        and {gap}
    order by negated_priority, run_at, id
    limit 1
)
