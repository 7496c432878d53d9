-- Index: primary key of hydra_key.
insert into hydra_key (namespace, workflow, key, execution_id, digest, created_at)
values (?, ?, ?, ?, ?, ?)
on conflict (namespace, workflow, key) do nothing
