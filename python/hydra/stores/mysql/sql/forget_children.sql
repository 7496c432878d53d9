-- Index: primary key of hydra_message; the executions are locked by `commit_read`. What children said that no body will ask for any
-- more.
delete t from hydra_message as t force index (primary)
where execution_id in ({ids})
    and (name like 'hydra.child:%' or name like 'hydra.spawned:%')
