-- Scans hydra_execution, hydra_outcome and hydra_record. What runs may have more records than when its last claim
-- ended.
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
    'R13',
    e.id::text,
    format('record_count is %%s, the log has %%s records up to number %%s', e.record_count, coalesce(r.count, 0),
        coalesce(r.last, 0))
from execution as e
left join (
    select execution_id, count(*) as count, max(seq) as last
    from hydra_record
    group by execution_id
) as r on r.execution_id = e.id
where coalesce(r.count, 0) <> coalesce(r.last, 0)
    or coalesce(r.count, 0) < e.record_count
    or (coalesce(r.count, 0) > e.record_count and e.owner is null)
