-- Index: hydra_node is small.
select count(*)
from hydra_node
where namespace = :namespace
    and state = 'alive'
