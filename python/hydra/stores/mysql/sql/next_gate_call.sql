-- Index: the first entries of hydra_gate_call's by_namespace and hydra_limit_key's by_look.
select least(
    if(exists (select 1 from hydra_gate_call force index (by_namespace) where namespace = {namespace}), 0, {never}),
    coalesce(
        (select min(look_at) from hydra_limit_key force index (by_look) where namespace = {namespace} and look_at > 0),
        {never}
    )
)
