-- Index: primary key of hydra_execution, locked by lock_waiting. The first of its keys of limits, before it becomes due
-- there. A claim that has seen it before may have read its input of before: `wake_seq` tells it to read that again.
update hydra_execution as e
set gate = %(gate)s,
    wake_seq = e.wake_seq + 1
where e.id = %(id)s
