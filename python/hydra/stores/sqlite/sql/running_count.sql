-- Index: hydra_execution_owner, primary key of hydra_node_beat.
select count(*), (select b.counter from hydra_node_beat as b where b.node_id = :node)
from hydra_execution
where owner = :node
