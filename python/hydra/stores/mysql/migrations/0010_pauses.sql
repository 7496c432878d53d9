-- additive
-- What a person has stopped, one row each: the namespace, a workflow, or a node that is to drain. Claims read it, so it
-- stays small: a row goes when it is resumed, or with its node.

create table if not exists hydra_pause (
    namespace varbinary(200) not null,
    kind varchar(16) character set ascii collate ascii_bin not null,
    name varbinary(600) not null,  -- of the workflow, or the node's id; empty for the namespace
    paused_at bigint not null,
    paused_by varbinary(1024) not null,
    reason varbinary(4096) not null,
    primary key (namespace, kind, name)
) engine = innodb row_format = dynamic;
