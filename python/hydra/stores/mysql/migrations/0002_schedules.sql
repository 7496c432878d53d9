-- additive
-- Schedules: one row each, kept for ever, as are the keys of their ticks in hydra_key: a purge makes no tick run twice
-- (R24).

create table if not exists hydra_schedule (
    namespace varbinary(200) not null,
    name varbinary(600) not null,
    revision bigint not null,
    mark_at bigint not null,
    next_at bigint null,
    paused_at bigint null,
    spec longblob not null,
    progress longblob not null,
    primary key (namespace, name),
    check (revision > 0),
    check (next_at > mark_at)
) engine = innodb row_format = dynamic;

-- Which schedules a node has in its code; a schedule that no living node has does not fire.
create table if not exists hydra_node_schedule (
    node_id binary(16) not null,
    name varbinary(600) not null,
    primary key (node_id, name)
) engine = innodb row_format = dynamic;
