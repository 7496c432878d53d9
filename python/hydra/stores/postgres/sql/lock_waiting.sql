-- Index: primary keys of hydra_execution and hydra_submission. A claim that has locked it is waited for; none takes it
-- after this. Where it waits, and how long its time-out is from when it is due.
select
    e.status, coalesce(e.own_priority, e.priority), coalesce(e.own_run_at, e.run_at),
    e.wake_at, e.timeout_at, e.attention, e.epoch,
    coalesce(s.timeout_at - greatest(s.due_at, s.submitted_at), 0),
    s.limit_keys::text
from hydra_execution as e
join hydra_submission as s on s.execution_id = any(array[e.id])
where e.id = %(id)s
    and e.namespace = %(namespace)s
for update of e
