-- Index: primary key of hydra_message; the executions are locked by `commit_read`.
delete m from hydra_message as m force index (primary)
where (execution_id, id) in ({rows})
