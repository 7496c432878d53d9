-- Index: primary key of hydra_execution. What is known of an execution whose records cannot be read.
select id, epoch, workflow
from hydra_execution
where id = :id
    and owner = :node
