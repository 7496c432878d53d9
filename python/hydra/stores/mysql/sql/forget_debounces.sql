-- Index: primary key of hydra_act. Of a burst the last line is kept; the execution is locked by lock_executions.
delete from hydra_act
where execution_id = {id}
    and kind = 'debounce'
