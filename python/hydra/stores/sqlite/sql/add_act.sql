-- Index: primary key of hydra_act.
insert into hydra_act (execution_id, id, namespace, kind, done_at, done_by, reason, detail)
values (:execution_id, :id, :namespace, :kind, :done_at, :done_by, :reason, :detail)
on conflict (execution_id, id) do nothing
