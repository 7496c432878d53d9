-- additive
-- What executions are found by: the attributes that their workflows declare. `value` is a key (`hydra.attributes`),
-- null where there is none any more; `first_value` that of the submission, from which a rerun and a fork begin.

create table if not exists hydra_attribute (
    execution_id binary(16) not null,
    name varbinary(64) not null,
    namespace varbinary(200) not null,
    value varbinary(260),
    `first_value` varbinary(260),  -- a function of MySQL 8
    primary key (execution_id, name),
    key by_value (namespace, name, value, execution_id)
) engine = innodb row_format = dynamic;
