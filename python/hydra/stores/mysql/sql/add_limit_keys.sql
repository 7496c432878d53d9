-- Index: primary key of hydra_limit_key; keys come sorted, so two nodes never wait in a ring.
insert into hydra_limit_key (namespace, limit_key, due_at, look_at)
values {rows}
on duplicate key update due_at = due_at
