-- Index: primary key of hydra_weight. What an operator has set stays.
insert into hydra_weight (namespace, limit_key, weight)
select :namespace, value ->> 0, value ->> 1
from json_each(:rows)
where true
on conflict (namespace, limit_key) do update set weight = excluded.weight
