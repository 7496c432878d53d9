-- Scans hydra_execution and hydra_outcome; primary key of hydra_claim. A result or failure is where the last claim
-- ended with it.
with execution as (
    select e.id, e.namespace, e.workflow, e.status, e.epoch, e.owner, e.record_count, e.wake_at, e.claimed_at,
        '' as cause
    from hydra_execution as e
    where e.namespace = %(namespace)s
    union all
    select o.execution_id, o.namespace, o.workflow, o.status, o.epoch, null, o.record_count, null, o.claimed_at, o.cause
    from hydra_outcome as o
    where o.namespace = %(namespace)s
)
select
    'G1',
    e.id::text,
    format('it is `%%s` but its claim %%s ended %%s', e.status, e.epoch, coalesce('`' || c.ending || '`', 'nowhere'))
from execution as e
left join hydra_claim as c on c.execution_id = e.id and c.epoch = e.epoch
where (e.status = 'completed' and coalesce(c.ending, '') <> 'completed')
    or (e.status = 'failed' and e.cause <> 'timeout' and coalesce(c.ending, '') <> 'failed')
    or (e.status = 'parked' and coalesce(c.ending, '') <> 'parked')
