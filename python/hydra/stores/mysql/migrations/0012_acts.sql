-- additive
-- What a person has done to one execution. The line of a deletion stays when the execution is gone.

create table if not exists hydra_act (
    execution_id binary(16) not null,
    id binary(16) not null,
    namespace varbinary(200) not null,
    kind varchar(16) character set ascii collate ascii_bin not null,
    done_at bigint not null,
    done_by varbinary(1024) not null,
    reason varbinary(4096) not null,
    detail varbinary(4096) not null,
    primary key (execution_id, id)
) engine = innodb row_format = dynamic;
