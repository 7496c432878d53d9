-- additive
-- Orders that take a second person, and the rule that says which do. A row goes some time after its time is over.

create table hydra_approval (
    namespace text not null,
    id text not null,
    kind text not null,
    state text not null,
    what text not null,  -- JSON: of which executions, and how
    payload blob not null,  -- the value that a resolve gives
    asked_at integer not null,
    asked_by text not null,
    asked_from text not null,
    reason text not null,
    expires_at integer not null,
    decided_at integer not null,
    decided_by text not null,
    decided_from text not null,
    decided_reason text not null,
    primary key (namespace, id)
) without rowid;
