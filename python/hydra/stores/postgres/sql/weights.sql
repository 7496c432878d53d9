-- Index: primary key of hydra_weight, once for each.
select i.limit_key, w.weight, w.set_weight
from unnest(%(keys)s) as i (limit_key)
cross join lateral (
    select w.weight, w.set_weight
    from hydra_weight as w
    where w.namespace = %(namespace)s
        and w.limit_key = i.limit_key
    offset 0
) as w
