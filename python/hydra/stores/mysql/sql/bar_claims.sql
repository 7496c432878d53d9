-- Index: primary key of hydra_node. Waits for what the node has under way; its next statements see the pause.
select id
from hydra_node force index (primary)
where id = {node}
    and namespace = {namespace}
    and state = 'alive'
for update
