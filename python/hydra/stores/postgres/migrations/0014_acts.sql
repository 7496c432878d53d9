-- additive
-- What a person has done to one execution. The line of a deletion stays when the execution is gone.

create table hydra_act (
    execution_id uuid not null,
    id uuid not null,
    done_at bigint not null,
    namespace text collate "C" not null,
    kind text collate "C" not null check (kind in ('reschedule', 'delete')),
    done_by text not null,
    reason text not null,
    detail text not null,
    primary key (execution_id, id)
);
