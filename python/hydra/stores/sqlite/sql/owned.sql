-- Index: hydra_execution_owner.
select id, epoch, record_count
from hydra_execution
where owner = :node
order by id
