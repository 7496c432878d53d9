-- Index: primary key of hydra_limit.
select l.kind, l.name, l.count, l.per_us, l.burst, l.set_count, l.set_per_us, l.set_burst
from unnest(%(kinds)s, %(names)s) as i (kind, name)
join hydra_limit as l on l.namespace = %(namespace)s and l.kind = i.kind and l.name = i.name
