-- Index: primary key of hydra_key_pause.
select limit_key, until_at
from hydra_key_pause
where namespace = :namespace
    and limit_key in (select value from json_each(:keys))
