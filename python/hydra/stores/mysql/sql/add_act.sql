-- Index: primary key of hydra_act. A line that is there stays.
insert into hydra_act (execution_id, id, namespace, kind, done_at, done_by, reason, detail)
values {row}
on duplicate key update done_at = hydra_act.done_at
