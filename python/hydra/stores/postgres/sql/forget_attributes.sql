-- Index: primary key of hydra_attribute. Of an execution that has never begun, locked by lock_waiting.
delete from hydra_attribute as a
where a.execution_id = %(id)s
