-- Index: primary key of hydra_node. The share lock holds until commit: nobody can declare the node dead before (R6).
select id
from hydra_node force index (primary)
where id = {node}
    and session = {session}
    and namespace = {namespace}
    and state = 'alive'
lock in share mode
