-- Index: hydra_execution_owner.
select e.id::text, e.epoch, e.attention
from hydra_execution as e
where e.owner = %(node)s
    and e.status = 'running'
    and e.attention is not null
