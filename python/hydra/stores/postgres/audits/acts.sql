-- Scans hydra_claim, hydra_execution and hydra_outcome; primary key of hydra_act, whose oldest lines are read. What
-- failed or was parked goes on by somebody's order, which leaves a line. As far as this shows: of what nodes reported
-- since the first order that is known; what was cancelled or ran out of time is not looked at.
with execution as (
    select e.id, e.status, e.attention, '' as cause
    from hydra_execution as e
    where e.namespace = %(namespace)s
    union all
    select o.execution_id, o.status, o.attention, o.cause
    from hydra_outcome as o
    where o.namespace = %(namespace)s
), moved as (
    select c.execution_id, count(*) - max(case when e.status in ('failed', 'parked') then 1 else 0 end) as times
    from hydra_claim as c
    join execution as e on e.id = c.execution_id
    where c.ending in ('failed', 'parked')
        and c.ended_at > (
            select b.done_at from hydra_act as b
            where b.namespace = %(namespace)s
                and b.done_from <> ''
            order by b.done_at
            limit 1
        )
        and e.status <> 'cancelled'
        and e.attention is null
        and e.cause <> 'timeout'
    group by c.execution_id
), ordered as (
    select m.execution_id, m.times, (
        select count(*) from hydra_act as a
        where a.execution_id = m.execution_id and a.kind in ('retry', 'resume', 'resolve', 'cancel')
    ) as orders
    from moved as m
)
select
    'G7',
    o.execution_id::text,
    format('it went on %%s times after it had failed or was parked, by %%s orders that are known', o.times, o.orders)
from ordered as o
where o.times > o.orders
