-- Index: primary key of hydra_finished. The caller has locked the executions.
delete from hydra_finished
where namespace = {namespace}
    and (finished_at, id) in ({rows})
