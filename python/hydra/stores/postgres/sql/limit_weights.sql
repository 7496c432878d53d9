-- Index: primary key of hydra_weight, the keys of one limit.
select w.limit_key, w.weight, w.set_weight
from hydra_weight as w
where w.namespace = %(namespace)s
    and w.limit_key >= %(first)s
    and w.limit_key < %(last)s
order by w.limit_key
