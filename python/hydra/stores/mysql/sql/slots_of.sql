-- Index: hydra_slot's by_execution. Locks nothing: each row is deleted by its key.
select limit_key, execution_id
from hydra_slot force index (by_execution)
where execution_id in ({ids})
