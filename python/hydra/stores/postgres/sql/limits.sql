-- Index: primary key of hydra_limit; a few rows.
select l.kind, l.name, l.count, l.per_us, l.burst, l.set_count, l.set_per_us, l.set_burst
from hydra_limit as l
where l.namespace = %(namespace)s
order by l.kind, l.name
