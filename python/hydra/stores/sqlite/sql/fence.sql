-- Index: primary key of hydra_node. Inside the write transaction, so nobody can declare the node dead before it commits
-- (R6).
select 1
from hydra_node
where id = :node
    and session = :session  -- guard R16: the fence compares the session
    and namespace = :namespace
    and state = 'alive'  -- guard R6: the fence asks whether the node is alive
