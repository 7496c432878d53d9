-- Index: primary key of hydra_ready. The caller has locked (or just made) the executions.
insert into hydra_ready (namespace, workflow, negated_priority, run_at, id)
values {rows}
