-- additive
-- What a person has stopped, one row each: the namespace, a workflow, or a node that is to drain. Claims read it, so it
-- stays small: a row goes when it is resumed, or with its node.

create table hydra_pause (
    namespace text not null,
    kind text not null check (kind = 'namespace' or kind = 'workflow' or kind = 'node'),
    name text not null,  -- of the workflow, or the node's id; empty for the namespace
    paused_at integer not null,
    paused_by text not null,
    reason text not null,
    primary key (namespace, kind, name)
) without rowid;
