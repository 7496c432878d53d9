-- Scans hydra_claim, hydra_execution and hydra_outcome. What completed or was cancelled stays so, and nothing is
-- claimed after it.
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
    'G3',
    e.id::text,
    format('claim %%s ended `%%s`, yet it is `%%s` at claim %%s', c.epoch, c.ending, e.status, e.epoch)
from hydra_claim as c
join execution as e on e.id = c.execution_id
where c.ending in ('completed', 'cancelled')
    and (e.epoch <> c.epoch or e.status <> c.ending)
