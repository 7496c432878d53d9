-- Index: primary key of hydra_limit_key.
select limit_key, due_at, look_at
from hydra_limit_key
where namespace = :namespace
    and limit_key in (select value from json_each(:keys))
