-- Index: hydra_execution_timer. Rows that somebody else has locked are looked at next time, so it waits for nobody.
with due as materialized (
    select e.id
    from hydra_execution as e
    where e.namespace = %(namespace)s
        and e.wake_at <= %(now)s
    order by e.wake_at
    limit %(limit)s
    for update skip locked
)
update hydra_execution as e
set status = 'pending',
    run_at = e.wake_at,
    wake_at = null
from due
where e.id = any(array[due.id])
