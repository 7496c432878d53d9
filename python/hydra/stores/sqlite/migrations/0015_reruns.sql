-- additive
-- More kinds of acts: an execution that was run again, and the one that runs it again. Which kinds there are the code
-- says; SQLite takes no check away from a table, so it is made again.

create table hydra_act_made_again (
    execution_id text not null,
    id text not null,
    namespace text not null,
    kind text not null,
    done_at integer not null,
    done_by text not null,
    reason text not null,
    detail text not null,
    primary key (execution_id, id)
) without rowid;

insert into hydra_act_made_again (execution_id, id, namespace, kind, done_at, done_by, reason, detail)
select execution_id, id, namespace, kind, done_at, done_by, reason, detail
from hydra_act;

drop table hydra_act;

alter table hydra_act_made_again rename to hydra_act;
