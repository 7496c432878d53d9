-- Index: by_state of hydra_node.
select count(*)
from hydra_node
where namespace = {namespace}
    and state = 'alive'
