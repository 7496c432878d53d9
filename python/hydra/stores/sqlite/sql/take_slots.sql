-- Index: primary key of hydra_slot.
insert into hydra_slot (namespace, limit_key, execution_id, bound)
select :namespace, value ->> 0, value ->> 1, value ->> 2
from json_each(:rows)
where true
on conflict (namespace, limit_key, execution_id) do update set bound = excluded.bound
