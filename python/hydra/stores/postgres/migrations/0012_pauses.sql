-- additive
-- What a person has stopped, one row each: the namespace, a workflow, or a node that is to drain. Claims read it, so it
-- stays small: a row goes when it is resumed, or with its node.

create table hydra_pause (
    namespace text collate "C" not null,
    kind text collate "C" not null check (kind in ('namespace', 'workflow', 'node')),
    name text collate "C" not null,  -- of the workflow, or the node's id; empty for the namespace
    paused_at bigint not null,
    paused_by text not null,
    reason text not null,
    primary key (namespace, kind, name)
);

-- Raised by each pause: a claim whose snapshot is older than that takes nothing.
alter table hydra_node add column pause_count integer not null default 0;
