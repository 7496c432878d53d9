-- Index: hydra_execution_owner, primary key of hydra_pause.
select e.id::text, e.epoch, e.attention
from hydra_execution as e
where e.owner = %(node)s
    and e.status = 'running'
    and e.attention is not null
union all
select p.name, 0, 'drain'
from hydra_pause as p
where p.namespace = %(namespace)s
    and p.kind = 'node'
    and p.name = %(node)s::uuid::text
