-- additive
-- What a person has done to one execution. The line of a deletion stays when the execution is gone.

create table hydra_act (
    execution_id text not null,
    id text not null,
    namespace text not null,
    kind text not null check (kind in ('reschedule', 'delete')),
    done_at integer not null,
    done_by text not null,
    reason text not null,
    detail text not null,
    primary key (execution_id, id)
) without rowid;
