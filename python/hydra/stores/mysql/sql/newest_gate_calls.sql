-- Index: hydra_gate_call's by_namespace, its last entries. Locks nothing: the calls are locked next.
(
    select id
    from hydra_gate_call force index (by_namespace)
    where namespace = {namespace}
    order by id desc
    limit {newest}
)
