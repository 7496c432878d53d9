-- Index: primary key of hydra_slot, one row for each key it had; the execution is locked by lock_executions, and keys
-- are named in their order, as whoever drops or takes one does.
delete from hydra_slot
where namespace = {namespace}
    and limit_key in ({keys})
    and execution_id = {id}
