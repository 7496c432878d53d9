-- Index: primary key of hydra_node. Waits for what the node has under way, then nobody of it writes until this
-- transaction ends.
select n.session
from hydra_node as n
where n.id = %(node)s
    and n.namespace = %(namespace)s
    and n.state = 'alive'
for update  -- guard R16: a resync waits for what is under way
