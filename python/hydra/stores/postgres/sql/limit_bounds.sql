-- Index: primary key of hydra_limit, once for each.
select i.kind, i.name, l.count, l.per_us, l.burst, l.set_count, l.set_per_us, l.set_burst
from unnest(%(kinds)s, %(names)s) as i (kind, name)
cross join lateral (
    select l.count, l.per_us, l.burst, l.set_count, l.set_per_us, l.set_burst
    from hydra_limit as l
    where l.namespace = %(namespace)s
        and l.kind = i.kind
        and l.name = i.name
    offset 0
) as l
