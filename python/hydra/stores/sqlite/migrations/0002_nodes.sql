-- Nodes hold the leases. hydra_node changes at registration, session bump and death only; a heartbeat has its own row
-- (R2).

create table hydra_node (
    id text not null primary key,
    namespace text not null,
    host text not null,
    boot_id text not null,
    pid integer not null,
    pid_started integer not null,
    code_version text not null,
    workers integer not null,
    lock_path text not null,
    state text not null check (state in ('alive', 'dead', 'empty')),
    session integer not null,
    registered_at integer not null
) without rowid;

create table hydra_node_beat (
    node_id text not null primary key references hydra_node (id),
    counter integer not null,
    beat_at integer not null,
    code_version text not null default ''  -- of what it registered last; a reload changes it
) without rowid;

-- Which workflow names a node has registered (R27).
create table hydra_node_workflow (
    node_id text not null references hydra_node (id),
    workflow text not null,
    primary key (node_id, workflow)
) without rowid;

create table hydra_workflow (
    namespace text not null,
    name text not null,
    signature blob not null,
    timeout_us integer,
    code_version text not null,
    primary key (namespace, name)
) without rowid;
