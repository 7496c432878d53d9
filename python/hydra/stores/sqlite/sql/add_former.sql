-- Index: primary key of hydra_former_key. What was run again is never retried, also where it has no key.
insert into hydra_former_key (execution_id)
select i.value
from json_each(:ids) as i
where true
on conflict (execution_id) do nothing
