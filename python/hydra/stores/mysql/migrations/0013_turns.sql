-- additive
-- Turns between the values of a key. Who was given a turn is ordered by it until its claim: `run_at` is the turn's
-- instant and `priority` 0, and these are its own; null: they are in their place.

alter table hydra_execution add column own_priority int null;
alter table hydra_execution add column own_run_at bigint null;

-- Of each key's queue who waits longest, whatever its priority.
alter table hydra_gated add key by_age (namespace, limit_key, run_at, id);

-- How many turns a value gets, in thousandths: by a node's code, and what an operator has set in its place.
create table if not exists hydra_weight (
    namespace varbinary(200) not null,
    limit_key varbinary(1300) not null,
    weight bigint null,
    set_weight bigint null,
    primary key (namespace, limit_key)
) engine = innodb row_format = dynamic;
