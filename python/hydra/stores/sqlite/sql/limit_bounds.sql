-- Index: primary key of hydra_limit.
select l.kind, l.name, l.count, l.per_us, l.burst, l.set_count, l.set_per_us, l.set_burst
from json_each(:pairs) as p
cross join hydra_limit as l on l.namespace = :namespace and l.kind = p.value ->> 0 and l.name = p.value ->> 1
