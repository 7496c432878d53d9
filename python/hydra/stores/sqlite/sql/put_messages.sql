-- Index: primary key of hydra_message.
insert into hydra_message (execution_id, id, name, payload, sent_at, number)
values (?, ?, ?, ?, ?, ?)
