-- Index: primary key of hydra_limit.
select kind, name, count, per_us, burst, set_count, set_per_us, set_burst
from hydra_limit force index (primary)
where namespace = {namespace}
    and (kind, name) in ({pairs})
