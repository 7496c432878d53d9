-- Index: primary key of hydra_timer. The caller has locked the executions.
delete from hydra_timer
where namespace = {namespace}
    and (due_at, id) in ({rows})
