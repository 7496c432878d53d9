-- additive
-- Keys of limits that let nobody go on until an instant: a step was told to come back later, or a person has stopped
-- the key. 9223372036854775807 is admission.NEVER: until somebody resumes it. A row goes when it is over.

create table if not exists hydra_key_pause (
    namespace varbinary(200) not null,
    limit_key varbinary(1300) not null,
    until_at bigint not null,
    paused_at bigint not null,
    paused_by varbinary(1024) not null,  -- a person, or the execution whose step was told
    reason varbinary(4096) not null,
    primary key (namespace, limit_key)
) engine = innodb row_format = dynamic;
