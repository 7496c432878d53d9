-- Index: by_state of hydra_node.
select id
from hydra_node
where namespace = {namespace}
    and state = 'dead'  -- guard R8: only a dead node's executions are returned
order by id
