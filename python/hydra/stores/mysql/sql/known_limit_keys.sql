-- Index: primary key of hydra_limit_key. Locks nothing.
select limit_key
from hydra_limit_key force index (primary)
where namespace = {namespace}
    and limit_key in ({keys})
