-- Index: primary key of hydra_finished; appends. The caller has locked the executions.
insert into hydra_finished (namespace, finished_at, id)
values {rows}
