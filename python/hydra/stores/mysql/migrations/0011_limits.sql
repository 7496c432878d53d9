-- additive
-- Limits. An execution that a limit holds back is pending, with a timer that no clock makes due
-- (9223372036854775807 is admission.NEVER), and lies in hydra_gated in place of hydra_ready. `gate` is the key at which
-- it waits, or will wait next time; '' has no limits. `first_gate` is the first of its `limit_keys`, which are JSON.

alter table hydra_execution add column gate varbinary(1300) not null default '';
alter table hydra_execution add column first_gate varbinary(1300) not null default '';
alter table hydra_execution add column limit_keys longblob null;

-- Who waits at each key, in order.
create table if not exists hydra_gated (
    namespace varbinary(200) not null,
    limit_key varbinary(1300) not null,
    negated_priority int not null,
    run_at bigint not null,
    id binary(16) not null,
    primary key (namespace, limit_key, negated_priority, run_at, id)
) engine = innodb row_format = dynamic;

-- What a node's code says of a limit, and beside it what an operator has set in its place.
create table if not exists hydra_limit (
    namespace varbinary(200) not null,
    kind varbinary(20) not null,
    name varbinary(400) not null,
    count bigint not null,
    per_us bigint not null,
    burst bigint not null,
    set_count bigint null,
    set_per_us bigint null,
    set_burst bigint null,
    primary key (namespace, kind, name)
) engine = innodb row_format = dynamic;

-- A key's lock, and its clock: a rate's next instant (GCRA), and when somebody is to look at the key without being
-- called; 0 for never.
create table if not exists hydra_limit_key (
    namespace varbinary(200) not null,
    limit_key varbinary(1300) not null,
    due_at bigint not null,
    look_at bigint not null,
    primary key (namespace, limit_key),
    key by_look (namespace, look_at)
) engine = innodb row_format = dynamic;

-- Who holds a place of a key, or has held one: what its execution is says which. `bound` is how many might then; 0
-- once it waits again.
create table if not exists hydra_slot (
    namespace varbinary(200) not null,
    limit_key varbinary(1300) not null,
    execution_id binary(16) not null,
    bound bigint not null,
    primary key (namespace, limit_key, execution_id),
    key by_execution (execution_id)
) engine = innodb row_format = dynamic;

-- Keys that somebody is to look at, in the transaction that gave a reason: an execution began to wait, or gave a place
-- back. Only added and taken away.
create table if not exists hydra_gate_call (
    id bigint not null auto_increment,
    namespace varbinary(200) not null,
    limit_key varbinary(1300) not null,
    primary key (id),
    key by_namespace (namespace, id)
) engine = innodb row_format = dynamic;
