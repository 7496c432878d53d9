-- Index: primary key of hydra_node. Waits for every transaction of the session before; later ones are refused (R16).
select session
from hydra_node force index (primary)
where id = {node}
    and namespace = {namespace}
    and state = 'alive'  -- guard R16: a dead node's resync is refused
for update  -- guard R16: a resync waits for what is under way
