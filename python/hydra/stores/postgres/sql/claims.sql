-- Index: primary keys of hydra_submission, hydra_claim and hydra_execution. The last line is the claim that goes on, if
-- one does.
select c.execution_id::text, c.epoch, c.attempt, c.node::text, c.worker, c.claimed_at, c.ended_at, c.ending, c.detail
from hydra_submission as s
join hydra_claim as c on c.execution_id = s.execution_id
where s.execution_id = any(%(ids)s)
    and s.namespace = %(namespace)s
union all
select e.id::text, e.epoch, e.attempt, e.owner::text, null, e.claimed_at, null, null, ''
from hydra_execution as e
where e.id = any(%(ids)s)
    and e.namespace = %(namespace)s
    and e.owner is not null
order by 2
