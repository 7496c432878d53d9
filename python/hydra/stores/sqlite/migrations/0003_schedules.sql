-- additive
-- Schedules: one row each, kept for ever, as are the keys of their ticks in hydra_key: a purge makes no tick run twice
-- (R24).

create table hydra_schedule (
    namespace text not null,
    name text not null,  -- the workflow's
    spec text not null check (json_valid(spec)),
    revision integer not null check (revision > 0),  -- raised by each change
    mark_at integer not null,  -- every tick up to it has been seen to; only grows (R25)
    next_at integer check (next_at > mark_at),
    paused_at integer,
    progress text not null check (json_valid(progress)),
    primary key (namespace, name)
) without rowid;

-- Which schedules a node has in its code; a schedule that no living node has does not fire.
create table hydra_node_schedule (
    node_id text not null references hydra_node (id),
    name text not null,
    primary key (node_id, name)
) without rowid;
