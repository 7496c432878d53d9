-- Index: primary key of hydra_node. Inside the write transaction, so nobody can declare the node dead before it commits (R6).
select 1
from hydra_node
where id = :node
    and session = :session
    and namespace = :namespace
    and state = 'alive'
