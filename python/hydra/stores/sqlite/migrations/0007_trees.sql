-- additive
-- Which tree an execution is part of: the root is an execution that nobody spawned. A tree is purged whole, and not
-- before its root has ended (R26). Executions that were spawned before this table was there are purged by themselves.

create table hydra_descendant (
    execution_id text not null primary key,
    root_id text not null
) without rowid;

create index hydra_descendant_root on hydra_descendant (root_id);
