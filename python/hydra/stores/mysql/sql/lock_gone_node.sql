-- Index: primary key of hydra_node. Exclusive before the update (R7); waits for the last transaction of a node whose
-- processes are known to be gone.
select id
from hydra_node force index (primary)
where id = {node}
    and namespace = {namespace}
    and state = 'alive'
for update
