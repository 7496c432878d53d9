-- Index: primary key of hydra_key.
insert into hydra_key (namespace, workflow, key, execution_id, digest, created_at)
values (?, ?, ?, ?, ?, ?)
on conflict (namespace, workflow, key) do nothing  -- guard R18: a key that is known is never written over
