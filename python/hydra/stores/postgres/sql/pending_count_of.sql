-- Index: hydra_execution_ready and hydra_execution_notable (what is delayed, of all workflows), no more of either found
-- than the limit.
select count(*)
from (
    select 1
    from hydra_execution as e
    where e.namespace = %(namespace)s
        and e.workflow = %(workflow)s
        and e.status = 'pending'
        and e.wake_at is null
    limit %(limit)s
) as ready
union all
select count(*)
from (
    select 1
    from hydra_execution as e
    where e.namespace = %(namespace)s
        and e.workflow = %(workflow)s
        and e.status = 'pending'
        and e.wake_at is not null
    limit %(limit)s
) as delayed
