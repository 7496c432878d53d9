-- Index: the first entry of hydra_gate_call_namespace and of hydra_limit_key_look.
select min(at)
from (
    select 0 as at
    where exists (select 1 from hydra_gate_call where namespace = :namespace)
    union all
    select min(look_at)
    from hydra_limit_key indexed by hydra_limit_key_look
    where namespace = :namespace
        and look_at is not null
)
