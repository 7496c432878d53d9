-- Index: primary key of hydra_gated, the first entries of one key. Locks nothing: the executions are locked next.
(
    select limit_key, id
    from hydra_gated force index (primary)
    where namespace = {namespace}
        and limit_key = {key}
    order by negated_priority, run_at, id
    limit {room}
)
