-- Index: primary keys of hydra_submission, hydra_execution, hydra_outcome and hydra_act. What is to run again, and as
-- which it was run again before. A later statement than the locks, so it sees what those who had them did.
select
    s.execution_id::text, coalesce(e.status, o.status), coalesce(e.attempt, o.attempt), s.workflow, s.key, s.digest,
    s.input, s.tags::text, s.priority, s.limit_keys::text, s.timeout_at - greatest(s.due_at, s.submitted_at),
    (select a.id::text from hydra_act as a where a.execution_id = s.execution_id and a.kind = 'rerun')
from hydra_submission as s
left join hydra_execution as e on e.id = any(array[s.execution_id])
left join hydra_outcome as o on o.execution_id = any(array[s.execution_id])
where s.execution_id = any(%(ids)s)
    and s.namespace = %(namespace)s
