-- Index: primary key of hydra_node. Under the write lock: nobody brings it back to life.
select id
from hydra_node
where id = :node
    and namespace = :namespace
    and state = 'dead'
