-- additive
-- What executions are found by: the attributes that their workflows declare. `value` is a key (`hydra.attributes`),
-- null where there is none any more; `first_value` that of the submission, from which a rerun and a fork begin.

create table hydra_attribute (
    execution_id text not null references hydra_execution (id),
    name text not null,
    namespace text not null,
    value blob,
    first_value blob,
    primary key (execution_id, name)
) without rowid;

create index hydra_attribute_value on hydra_attribute (namespace, name, value, execution_id);
