-- Index: primary key of hydra_limit_key, locked before.
insert into hydra_limit_key (namespace, limit_key, due_at, look_at)
values {rows}
on duplicate key update
    due_at = values(due_at),
    look_at = values(look_at)
