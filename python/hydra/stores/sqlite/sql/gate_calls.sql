-- Index: hydra_gate_call_namespace, in the order of the calls, and hydra_limit_key_look. What is called by now.
select limit_key, id
from (
    select limit_key, id
    from hydra_gate_call indexed by hydra_gate_call_namespace
    where namespace = :namespace
    order by id
    limit :calls
)
union all
select limit_key, null
from (
    select limit_key
    from hydra_limit_key indexed by hydra_limit_key_look
    where namespace = :namespace
        and look_at <= :now
        and look_at is not null
    order by look_at
    limit :limit
)
