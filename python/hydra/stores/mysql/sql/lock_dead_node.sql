-- Index: primary key of hydra_node. Shared: it stays dead until COMMIT.
select id
from hydra_node force index (primary)
where id = {node}
    and namespace = {namespace}
    and state = 'dead'
lock in share mode
