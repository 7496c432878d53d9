-- Index: primary key of hydra_deadline. The caller has locked the executions.
delete from hydra_deadline
where namespace = {namespace}
    and (timeout_at, id) in ({rows})
