-- Index: the first entries of hydra_gate_call_namespace and hydra_limit_key_look.
select least(
    (select 0::bigint from hydra_gate_call as c where c.namespace = %(namespace)s order by c.id limit 1),
    (
        select k.look_at
        from hydra_limit_key as k
        where k.namespace = %(namespace)s
            and k.look_at is not null
        order by k.look_at
        limit 1
    )
)
