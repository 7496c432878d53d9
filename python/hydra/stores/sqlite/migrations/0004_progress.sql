-- additive
-- What long steps say of how far they are: only the last word of each, no part of the record log. `place` stands for
-- branch, name and ordinal.

create table hydra_progress (
    execution_id text not null references hydra_execution (id),
    place blob not null,
    branch text not null,
    name text not null,
    ordinal integer not null,
    attempt integer not null,
    payload blob not null,
    started_at integer not null,
    reported_at integer not null,
    primary key (execution_id, place)
) without rowid;
