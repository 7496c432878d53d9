-- Index: hydra_node_present.
select count(*)
from hydra_node
where namespace = %(namespace)s
    and state = 'alive'
