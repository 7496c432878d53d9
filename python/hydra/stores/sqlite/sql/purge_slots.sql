-- Index: hydra_slot_execution.
delete from hydra_slot
where execution_id in (select value from json_each(:ids))
