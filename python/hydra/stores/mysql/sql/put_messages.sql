-- Index: primary key of hydra_message; the executions are locked.
insert into hydra_message (execution_id, id, name, payload, sent_at, number, size)
values {rows}
