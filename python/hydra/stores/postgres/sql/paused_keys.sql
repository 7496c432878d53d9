-- Index: primary key of hydra_key_pause.
select limit_key, until_at
from hydra_key_pause
where namespace = %(namespace)s
    and limit_key = any(%(keys)s)
