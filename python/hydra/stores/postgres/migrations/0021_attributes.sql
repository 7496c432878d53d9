-- additive
-- What executions are found by: the attributes that their workflows declare. `value` is a key (`hydra.attributes`),
-- null where there is none any more; `first_value` that of the submission, from which a rerun and a fork begin.

create table hydra_attribute (
    execution_id uuid not null,
    namespace text collate "C" not null,
    name text collate "C" not null,
    value bytea,
    first_value bytea,
    primary key (execution_id, name)
);

create index hydra_attribute_value on hydra_attribute (namespace, name, value, execution_id);
