-- Index: primary key of hydra_execution. The first of its keys of limits; before it becomes due there.
update hydra_execution
set gate = :gate
where id = :id
