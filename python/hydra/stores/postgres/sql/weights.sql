-- Index: primary key of hydra_weight.
select w.limit_key, w.weight, w.set_weight
from hydra_weight as w
where w.namespace = %(namespace)s
    and w.limit_key = any(%(keys)s)
