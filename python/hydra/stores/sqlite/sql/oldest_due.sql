-- Index: hydra_execution_ready, one seek for each workflow and priority in it.
with recursive head (workflow, priority, run_at) as (
    select workflow, priority, run_at
    from (
        select workflow, priority, run_at
        from hydra_execution indexed by hydra_execution_ready
        where namespace = :namespace
            and status = 'pending'
            and wake_at is null
        order by workflow, priority desc, run_at
        limit 1
    )
    union all
    select n.workflow, n.priority, n.run_at
    from head
    join hydra_execution as n on n.id = coalesce(
        (
            select id
            from hydra_execution indexed by hydra_execution_ready
            where namespace = :namespace
                and workflow = head.workflow
                and priority < head.priority
                and status = 'pending'
                and wake_at is null
            order by priority desc, run_at
            limit 1
        ),
        (
            select id
            from hydra_execution indexed by hydra_execution_ready
            where namespace = :namespace
                and workflow > head.workflow
                and status = 'pending'
                and wake_at is null
            order by workflow, priority desc, run_at
            limit 1
        )
    )
)
select workflow, run_at
from head
