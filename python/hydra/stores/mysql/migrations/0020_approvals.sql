-- additive
-- Orders that take a second person, and the rule that says which do. A row goes some time after its time is over.

create table if not exists hydra_approval (
    namespace varbinary(200) not null,
    id binary(16) not null,
    kind varchar(16) character set ascii collate ascii_bin not null,
    state varchar(16) character set ascii collate ascii_bin not null,
    what mediumblob not null,  -- JSON: of which executions, and how
    payload longblob not null,  -- the value that a resolve gives
    asked_at bigint not null,
    asked_by varbinary(1024) not null,
    asked_from varbinary(1024) not null,
    reason varbinary(4096) not null,
    expires_at bigint not null,
    decided_at bigint not null,
    decided_by varbinary(1024) not null,
    decided_from varbinary(1024) not null,
    decided_reason varbinary(4096) not null,
    primary key (namespace, id)
) engine = innodb row_format = dynamic;
