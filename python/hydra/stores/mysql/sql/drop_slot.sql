-- Index: primary key of hydra_slot, one row.
delete from hydra_slot
where namespace = {namespace}
    and limit_key = {key}
    and execution_id = {id}
