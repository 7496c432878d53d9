-- Index: primary key of hydra_count; a handful of rows, written once per transaction.
insert into hydra_count (namespace, workflow, status, count)
select :namespace, value ->> 0, value ->> 1, value ->> 2
from json_each(:rows)
where true
on conflict (namespace, workflow, status) do update set count = count + excluded.count
