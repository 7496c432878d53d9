-- Index: primary key of hydra_node. FOR UPDATE before the update (R7); a node whose transaction is under way is passed
-- over, it lives.
select n.id
from hydra_node as n
where n.id = %(node)s
    and n.namespace = %(namespace)s
    and n.state = 'alive'
for update skip locked  -- guard R7: the reaper locks the node's row before it updates it
