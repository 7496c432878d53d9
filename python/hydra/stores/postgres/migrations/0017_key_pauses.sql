-- additive
-- Keys of limits that let nobody go on until an instant: a step was told to come back later, or a person has stopped
-- the key. 9223372036854775807 is admission.NEVER: until somebody resumes it. A row goes when it is over.

create table hydra_key_pause (
    namespace text collate "C" not null,
    limit_key text collate "C" not null,
    until_at bigint not null,
    paused_at bigint not null,
    paused_by text not null,  -- a person, or the execution whose step was told
    reason text not null,
    primary key (namespace, limit_key)
);
