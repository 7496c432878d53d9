-- Index: primary key of hydra_attribute. With which an execution began stays.
insert into hydra_attribute (execution_id, name, namespace, value)
values (?, ?, ?, ?)
on conflict (execution_id, name) do update
set value = excluded.value
