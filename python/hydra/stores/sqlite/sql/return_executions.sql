-- Index: primary key of hydra_execution, then of hydra_node. A time-out that was decided stays so: the next claim ends
-- it.
update hydra_execution
set status = 'pending',
    owner = null,
    run_at = :now
where id in (select value from json_each(:ids))
    and status = 'running'
    -- guard R8: a row is returned from a dead owner only
    and owner in (select id from hydra_node where namespace = :namespace and state = 'dead')
