-- Index: primary key of hydra_timer. The caller has locked (or just made) the executions.
insert into hydra_timer (namespace, due_at, id)
values {rows}
