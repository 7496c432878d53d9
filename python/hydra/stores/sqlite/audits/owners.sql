-- Index: hydra_execution_owner, primary key of hydra_node.
select 'G2', e.id, 'its owner `' || e.owner || '` is ' || case when n.id is null then 'not registered'
    else 'marked empty' end
from hydra_execution as e
left join hydra_node as n on n.id = e.owner and n.namespace = e.namespace
where e.namespace = :namespace
    and e.owner is not null
    and (n.id is null or n.state = 'empty')
