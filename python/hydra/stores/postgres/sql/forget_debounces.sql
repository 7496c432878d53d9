-- Index: primary key of hydra_act. Of a burst the last line is kept; the execution is locked by lock_waiting.
delete from hydra_act as a
where a.execution_id = %(id)s
    and a.kind = 'debounce'
