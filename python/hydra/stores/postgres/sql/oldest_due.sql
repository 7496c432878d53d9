-- Index: hydra_execution_ready, one seek for each workflow and priority in it.
with recursive head as (
    (
        select e.workflow, e.priority, e.run_at
        from hydra_execution as e
        where e.namespace = %(namespace)s
            and e.status = 'pending'
            and e.wake_at is null
        order by e.workflow, -e.priority::bigint, e.run_at
        limit 1
    )
    union all
    select n.workflow, n.priority, n.run_at
    from head
    cross join lateral (
        (
            select e.workflow, e.priority, e.run_at
            from hydra_execution as e
            where e.namespace = %(namespace)s
                and e.workflow = head.workflow
                and -e.priority::bigint > -head.priority::bigint
                and e.status = 'pending'
                and e.wake_at is null
            order by -e.priority::bigint, e.run_at
            limit 1
        )
        union all
        (
            select e.workflow, e.priority, e.run_at
            from hydra_execution as e
            where e.namespace = %(namespace)s
                and e.workflow > head.workflow
                and e.status = 'pending'
                and e.wake_at is null
            order by e.workflow, -e.priority::bigint, e.run_at
            limit 1
        )
        limit 1
    ) as n
)
select head.workflow, head.run_at
from head
