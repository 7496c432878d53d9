-- Index: primary key of hydra_attribute; ids grow with time, so inserts append. Only of executions that are just made,
-- and so locked.
insert into hydra_attribute (execution_id, name, namespace, value, `first_value`)
values {rows}
