-- additive
-- What long steps say of how far they are: only the last word of each, no part of the record log. `place` stands for
-- branch, name and ordinal.

create table hydra_progress (
    execution_id uuid not null,
    started_at bigint not null,
    reported_at bigint not null,
    ordinal integer not null,
    attempt integer not null,
    place bytea not null,
    branch text not null,
    name text not null,
    payload bytea not null,
    primary key (execution_id, place)
);
