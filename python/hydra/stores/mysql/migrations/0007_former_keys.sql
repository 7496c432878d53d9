-- additive
-- Executions whose key went over to a later one (`key_reuse="after_end"`). They have ended and are never retried: two
-- of one key would run.

create table if not exists hydra_former_key (
    execution_id binary(16) not null,
    primary key (execution_id)
) engine = innodb row_format = dynamic;
