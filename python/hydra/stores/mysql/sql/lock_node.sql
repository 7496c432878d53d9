-- Index: primary key of hydra_node. Exclusive before the update (R7); a node that is just writing holds its share lock,
-- is not dead, and is skipped.
select id
from hydra_node force index (primary)
where id = {node}
    and namespace = {namespace}
    and state = 'alive'
for update skip locked  -- guard R7: the reaper locks the node's row before it updates it
