-- Index: primary key of hydra_key_pause, once for each.
select i.limit_key, p.until_at
from unnest(%(keys)s) as i (limit_key)
cross join lateral (
    select p.until_at
    from hydra_key_pause as p
    where p.namespace = %(namespace)s
        and p.limit_key = i.limit_key
    offset 0
) as p
