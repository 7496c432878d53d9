-- Index: primary key of hydra_node.
select n.id
from json_each(:ids) as i
cross join hydra_node as n on n.id = i.value
where n.namespace = :namespace
    and n.state = 'alive'  -- guard R27: a successor is alive at the commit
