-- Index: hydra_execution_owner.
select count(*)
from hydra_execution
where owner = :node
