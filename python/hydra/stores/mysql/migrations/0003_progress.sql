-- additive
-- What long steps say of how far they are: only the last word of each, no part of the record log. `place` stands for
-- branch, name and ordinal.
create table if not exists hydra_progress (
    execution_id binary(16) not null,
    place binary(16) not null,
    branch varbinary(2048) not null,
    name varbinary(2048) not null,
    ordinal int not null,
    attempt int not null,
    payload longblob not null,
    started_at bigint not null,
    reported_at bigint not null,
    primary key (execution_id, place)
) engine = innodb row_format = dynamic;
