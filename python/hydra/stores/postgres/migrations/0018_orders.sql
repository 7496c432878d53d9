-- additive
-- Acts of every kind: from which account and host, and listed by when they were done.

alter table hydra_act add column done_from text not null default '';

create index hydra_act_done on hydra_act (namespace, done_at, execution_id, id);
