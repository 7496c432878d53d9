-- Index: primary key of hydra_weight.
select limit_key, weight, set_weight
from hydra_weight force index (primary)
where namespace = {namespace}
    and limit_key in ({keys})
