-- Index: primary key of hydra_act.
insert into hydra_act (execution_id, id, done_at, namespace, kind, done_by, reason, detail)
values (%(execution_id)s, %(id)s, %(done_at)s, %(namespace)s, %(kind)s, %(done_by)s, %(reason)s, %(detail)s)
on conflict (execution_id, id) do nothing
