-- additive
-- Acts of every kind: from which account and host, and listed by when they were done.

alter table hydra_act
    add column done_from varbinary(1024) not null default '',
    add key by_time (namespace, done_at, execution_id, id);
