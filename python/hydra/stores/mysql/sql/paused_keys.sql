-- Index: primary key of hydra_key_pause.
select limit_key, until_at
from hydra_key_pause force index (primary)
where namespace = {namespace}
    and limit_key in ({keys})
