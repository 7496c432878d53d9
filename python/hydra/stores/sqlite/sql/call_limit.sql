-- Index: primary key of hydra_limit_key, the keys of one limit.
insert into hydra_gate_call (namespace, limit_key)
select namespace, limit_key
from hydra_limit_key
where namespace = :namespace
    and limit_key >= :first
    and limit_key < :last
