-- Index: hydra_execution_ready, one seek for each workflow in it and at most :limit entries of each.
with recursive due as (
    (
        select e.workflow
        from hydra_execution as e
        where e.namespace = %(namespace)s
            and e.status = 'pending'
            and e.wake_at is null
        order by e.workflow
        limit 1
    )
    union all
    select n.workflow
    from due
    cross join lateral (
        select e.workflow
        from hydra_execution as e
        where e.namespace = %(namespace)s
            and e.workflow > due.workflow
            and e.status = 'pending'
            and e.wake_at is null
        order by e.workflow
        limit 1
    ) as n
)
select due.workflow, (
    select count(*)
    from (
        select 1
        from hydra_execution as e
        where e.namespace = %(namespace)s
            and e.workflow = due.workflow
            and e.status = 'pending'
            and e.wake_at is null
        limit %(limit)s
    ) as ready
)
from due
