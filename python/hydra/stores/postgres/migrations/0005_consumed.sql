-- additive
-- Ids of signals that generations past have consumed: with `continue_as_new` their records go, and a signal that is
-- repeated under the same id must still not arrive twice (R17). Kept as long as the execution; nothing is in it for
-- executions that never begin again.

create table hydra_consumed (
    execution_id uuid not null,
    message_id bytea not null,
    primary key (execution_id, message_id)
);
