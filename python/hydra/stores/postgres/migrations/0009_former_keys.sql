-- additive
-- Executions whose key went over to a later one (`key_reuse="after_end"`). They have ended and are never retried: two
-- of one key would run.

create table hydra_former_key (
    execution_id uuid primary key
);
