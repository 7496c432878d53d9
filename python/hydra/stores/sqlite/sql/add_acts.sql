-- Index: primary key of hydra_act. A line that is there stays.
insert into hydra_act (execution_id, id, namespace, kind, done_at, done_by, done_from, reason, detail)
values (?, ?, ?, ?, ?, ?, ?, ?, ?)
on conflict (execution_id, id) do nothing
