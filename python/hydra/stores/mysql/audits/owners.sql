-- Index: by_status of hydra_execution, primary key of hydra_node.
select 'G2', e.id, concat('its owner `', lower(hex(e.owner)), '` is ',
    if(n.id is null, 'not registered', 'marked empty'))
from hydra_execution as e
left join hydra_node as n on n.id = e.owner and n.namespace = e.namespace
where e.namespace = {namespace}
    and e.status = 'running'
    and (n.id is null or n.state = 'empty')
