-- Index: by_state of hydra_node.
select id
from hydra_node
where namespace = {namespace}
    and state = 'dead'
order by id
