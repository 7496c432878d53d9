-- Index: primary key of hydra_node. Waits for every transaction of the session before; later ones are refused (R16).
select session
from hydra_node force index (primary)
where id = {node}
    and namespace = {namespace}
    and state = 'alive'
for update
