-- Index: primary keys of hydra_execution and hydra_submission. After lock_waiting. A retry has the priority, too.
with moved as (
    update hydra_execution as e
    set priority = %(priority)s,
        run_at = %(run_at)s,
        wake_at = (%(wake_at)s)[1],
        timeout_at = (%(timeout_at)s)[1],
        own_priority = null,
        own_run_at = null
    where e.id = %(id)s
        and e.status = 'pending'
        and e.attention is null
    returning e.id, e.priority
)
update hydra_submission as s
set priority = moved.priority
from moved
where s.execution_id = any(array[moved.id])
