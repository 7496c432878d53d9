-- Index: primary key of hydra_count; a handful of rows, written once per transaction.
insert into hydra_count (namespace, workflow, status, count)
values (?, ?, ?, ?)
on conflict (namespace, workflow, status) do update set count = count + excluded.count
