-- Index: primary key of hydra_gated. The caller has locked (or just made) the executions.
insert into hydra_gated (namespace, limit_key, negated_priority, run_at, id)
values {rows}
