-- Index: by_state of hydra_node.
select id
from hydra_node
where namespace = {namespace}
    and state = 'empty'
    and registered_at < {older_than}
order by id
