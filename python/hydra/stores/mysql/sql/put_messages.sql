-- Index: primary key of hydra_message; what is there already stays as it is (R18). The executions are locked.
insert into hydra_message (execution_id, id, name, payload, sent_at)
values {rows}
on duplicate key update id = id
