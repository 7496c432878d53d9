-- additive
-- Which tree an execution is part of: the root is an execution that nobody spawned. A tree is purged whole, and not
-- before its root has ended (R26). Executions that were spawned before this table was there are purged by themselves.

create table if not exists hydra_descendant (
    execution_id binary(16) not null,
    root_id binary(16) not null,
    primary key (execution_id),
    key by_root (root_id)
) engine = innodb row_format = dynamic;
