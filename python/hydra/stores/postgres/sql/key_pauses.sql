-- Index: primary key of hydra_key_pause.
select limit_key, until_at, paused_at, paused_by, reason
from hydra_key_pause
where namespace = %(namespace)s
    and limit_key >= %(first)s
    and limit_key < %(last)s
order by limit_key
limit %(limit)s
