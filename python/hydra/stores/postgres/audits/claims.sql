-- Scans hydra_execution, hydra_outcome and hydra_claim. One line for each ended epoch, none for one that goes on.
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
    'G4',
    e.id::text,
    format(
        'epoch is %%s%%s, the audit trail has %%s claims up to number %%s',
        e.epoch,
        case when e.owner is null then '' else ' (held)' end,
        coalesce(c.count, 0),
        coalesce(c.last, 0)
    )
from execution as e
left join (
    select execution_id, count(*) as count, max(epoch) as last
    from hydra_claim
    group by execution_id
) as c on c.execution_id = e.id
where coalesce(c.count, 0) <> e.epoch - (e.owner is not null)::integer
    or coalesce(c.last, 0) <> e.epoch - (e.owner is not null)::integer
