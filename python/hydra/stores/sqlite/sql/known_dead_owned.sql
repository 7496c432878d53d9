-- Index: primary keys of hydra_execution and hydra_node. Those that a dead node had, which are parked where they went
-- back (R19).
select json_group_array(json_array(e.id, e.workflow))
from json_each(:ids) as i
cross join hydra_execution as e on e.id = i.value
join hydra_node as n on n.id = e.owner
where e.namespace = :namespace
    and e.status = 'running'
    and n.state = 'dead'
