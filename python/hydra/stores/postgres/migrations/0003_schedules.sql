-- additive
-- Schedules: one row each, kept for ever, as are the keys of their ticks in hydra_key: a purge makes no tick run twice
-- (R24).

create table hydra_schedule (
    namespace text collate "C" not null,
    name text collate "C" not null,  -- the workflow's
    revision bigint not null check (revision > 0),  -- raised by each change
    mark_at bigint not null,  -- every tick up to it has been seen to; only grows (R25)
    next_at bigint check (next_at > mark_at),
    paused_at bigint,
    spec text not null,  -- JSON, compared as text
    progress text not null,  -- JSON
    primary key (namespace, name)
) with (fillfactor = 50, autovacuum_vacuum_threshold = 100, autovacuum_vacuum_scale_factor = 0);

-- Which schedules a node has in its code; a schedule that no living node has does not fire.
create table hydra_node_schedule (
    node_id uuid not null references hydra_node (id) on delete cascade,
    name text collate "C" not null,
    primary key (node_id, name)
);
