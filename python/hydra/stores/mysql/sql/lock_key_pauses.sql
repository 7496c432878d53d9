-- Index: primary key of hydra_key_pause. Those that are over. What somebody else is just changing is left to them.
select limit_key
from hydra_key_pause force index (primary)
where namespace = {namespace}
    and limit_key in ({keys})
    and until_at <= {now}
for update skip locked
