-- Index: primary keys of hydra_execution and hydra_claim. The last line is the claim that goes on, if one does.
select
    c.execution_id, c.epoch, c.attempt, c.node, c.worker, c.claimed_at, c.ended_at, c.ending, c.detail
from hydra_execution as e
join hydra_claim as c on c.execution_id = e.id
where e.id = {id}
    and e.namespace = {namespace}
union all
select id, epoch, attempt, owner, null, claimed_at, null, null, ''
from hydra_execution
where id = {id}
    and namespace = {namespace}
    and status = 'running'
order by 2
