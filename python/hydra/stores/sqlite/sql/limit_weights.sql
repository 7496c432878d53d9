-- Index: primary key of hydra_weight, the keys of one limit.
select limit_key, weight, set_weight
from hydra_weight
where namespace = :namespace
    and limit_key >= :first
    and limit_key < :last
order by limit_key
