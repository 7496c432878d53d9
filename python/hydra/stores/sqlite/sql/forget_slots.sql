-- Index: hydra_slot_execution. After put_off: it holds none of them, and will have other limits.
delete from hydra_slot
where execution_id = :id
