-- Index: hydra_slot_execution. After put_off: it holds none of them, and will have other limits. Who gives or drops one
-- skips executions and slots that are locked, so this waits for a moment at most.
delete from hydra_slot as s
where s.execution_id = %(id)s
