-- Index: primary key of hydra_limit_key. Those that nobody holds.
select limit_key, due_at, look_at
from hydra_limit_key force index (primary)
where namespace = {namespace}
    and limit_key in ({keys})
order by limit_key
for update skip locked
