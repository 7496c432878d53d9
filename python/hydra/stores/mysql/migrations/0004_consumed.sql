-- additive
-- Ids of signals that generations past have consumed: with `continue_as_new` their records go, and a signal that is
-- repeated under the same id must still not arrive twice (R17). Kept as long as the execution; nothing is in it for
-- executions that never begin again.

create table if not exists hydra_consumed (
    execution_id binary(16) not null,
    message_id binary(16) not null,
    primary key (execution_id, message_id)
) engine = innodb row_format = dynamic;
