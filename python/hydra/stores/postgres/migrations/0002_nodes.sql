-- Nodes hold the leases. hydra_node changes at registration, session bump and death only; a heartbeat has its own row
-- (R2).

create table hydra_node (
    id uuid primary key,
    namespace text collate "C" not null,
    host text not null,
    boot_id text not null,
    pid integer not null,
    pid_started bigint not null,
    code_version text not null,
    workers integer not null,
    lock_path text not null,
    state text collate "C" not null check (state in ('alive', 'dead', 'empty')),
    session integer not null,
    registered_at bigint not null
) with (fillfactor = 50, autovacuum_vacuum_threshold = 100, autovacuum_vacuum_scale_factor = 0);

create index hydra_node_present on hydra_node (namespace, state) where state in ('alive', 'dead');

create table hydra_node_beat (
    node_id uuid primary key references hydra_node (id) on delete cascade,
    counter bigint not null,
    beat_at bigint not null,
    code_version text not null default ''  -- of what it registered last; a reload changes it
) with (fillfactor = 20, autovacuum_vacuum_threshold = 100, autovacuum_vacuum_scale_factor = 0);

-- Which workflow names a node has registered (R27).
create table hydra_node_workflow (
    node_id uuid not null references hydra_node (id) on delete cascade,
    workflow text collate "C" not null,
    primary key (node_id, workflow)
);

create table hydra_workflow (
    namespace text collate "C" not null,
    name text collate "C" not null,
    signature bytea not null,
    timeout_us bigint,
    code_version text not null,
    primary key (namespace, name)
);
