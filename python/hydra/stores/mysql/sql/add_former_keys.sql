-- Index: primary key of hydra_former_key; the executions are locked.
insert into hydra_former_key (execution_id)
values {rows}
on duplicate key update execution_id = hydra_former_key.execution_id
