-- Index: primary key of hydra_limit; a few rows.
select kind, name, count, per_us, burst, set_count, set_per_us, set_burst
from hydra_limit force index (primary)
where namespace = {namespace}
order by kind, name
