-- Index: primary key of hydra_node. Waits for what the node has under way, then nobody of it writes until this transaction ends.
select n.session
from hydra_node as n
where n.id = %(node)s
    and n.namespace = %(namespace)s
    and n.state = 'alive'
    and n.session >= %(session)s
for update
