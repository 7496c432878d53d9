-- Index: primary key of hydra_attribute; the executions are locked. With which an execution began stays.
insert into hydra_attribute (execution_id, name, namespace, value, `first_value`)
values {rows}
on duplicate key update value = values(value)
