-- Index: primary key of hydra_deadline. One that is there already stays; the caller has locked the executions.
insert into hydra_deadline (namespace, timeout_at, id)
values {rows}
on duplicate key update timeout_at = hydra_deadline.timeout_at
