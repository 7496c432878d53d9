-- Index: primary key of hydra_limit_key.
insert into hydra_limit_key (namespace, limit_key, due_at)
select :namespace, value, 0
from json_each(:keys)
where true
on conflict (namespace, limit_key) do nothing
