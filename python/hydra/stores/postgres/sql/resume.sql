-- Index: primary keys of hydra_execution and hydra_submission. A time-out that has passed starts again.
with locked as materialized (
    select e.id
    from hydra_execution as e
    where e.id = any(%(ids)s)
        and e.namespace = %(namespace)s
        and e.status = 'parked'
    order by e.id
    for update
)
update hydra_execution as e
set status = 'pending',
    run_at = %(now)s,
    death_count = 0,
    alone_death_count = 0,
    timeout_at = case when e.timeout_at > %(now)s then e.timeout_at
        else %(now)s + s.timeout_at - greatest(s.due_at, s.submitted_at) end
from locked
join hydra_submission as s on s.execution_id = any(array[locked.id])
where e.id = any(array[locked.id])
returning e.id::text
