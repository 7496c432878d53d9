-- Index: by_age of hydra_gated, the first entries of one key. Locks nothing: the executions are locked next.
(
    select limit_key, id
    from hydra_gated force index (by_age)
    where namespace = {namespace}
        and limit_key = {key}
    order by run_at, id
    limit {room}
)
