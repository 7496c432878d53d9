-- Index: primary key of hydra_node. The share lock holds until commit: nobody can declare the node dead before (R6).
select id
from hydra_node force index (primary)
where id = {node}
    and session = {session}  -- guard R16: the fence compares the session
    and namespace = {namespace}
    and state = 'alive'  -- guard R6: the fence asks whether the node is alive
-- guard R2: a heartbeat shares its node's row
-- guard R6: a share lock on the node's row
lock in share mode
