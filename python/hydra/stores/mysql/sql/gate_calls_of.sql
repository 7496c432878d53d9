-- Index: hydra_gate_call's by_key, the first entries of one key. Locks nothing: the calls are locked next.
(
    select id
    from hydra_gate_call force index (by_key)
    where namespace = {namespace}
        and limit_key = {key}
    order by id
    limit {calls}
)
