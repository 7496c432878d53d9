-- Index: the first entries of one workflow's range of hydra_ready's primary key; one such select for each workflow.
(
    select {group} as workflow_group, -negated_priority as priority, run_at
    from hydra_ready force index (primary)
    where namespace = {namespace}
        and workflow = {workflow}
        and {bounds}
        and not exists (
            select 1
            from hydra_pause as p force index (primary)
            where p.namespace = {namespace}
                and (p.kind = 'namespace' or p.kind = 'workflow' and p.name = {workflow})
        )
    order by negated_priority, run_at, id
    limit {slots}
)
