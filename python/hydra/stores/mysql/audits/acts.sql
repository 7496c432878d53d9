-- Scans hydra_claim; primary keys of hydra_execution and hydra_act, whose oldest lines are read. What failed or was
-- parked goes on by somebody's order, which leaves a line. As far as this shows: of what nodes reported since the first
-- order that is known; what was cancelled or ran out of time is not looked at.
select
    'G7', o.execution_id,
    concat('it went on ', o.times, ' times after it had failed or was parked, by ', o.orders, ' orders that are known')
from (
    select m.execution_id, m.times, (
        select count(*) from hydra_act as a
        where a.execution_id = m.execution_id and a.kind in ('retry', 'resume', 'resolve', 'cancel')
    ) as orders
    from (
        select c.execution_id, count(*) - max(e.status in ('failed', 'parked')) as times
        from hydra_claim as c
        join hydra_execution as e on e.id = c.execution_id
        where e.namespace = {namespace}
            and c.ending in ('failed', 'parked')
            and c.ended_at > (
                select b.done_at from hydra_act as b
                where b.namespace = {namespace}
                    and b.done_from <> ''
                order by b.done_at
                limit 1
            )
            and e.status <> 'cancelled'
            and e.attention = ''
            and e.cause <> 'timeout'
        group by c.execution_id
    ) as m
) as o
where o.times > o.orders
