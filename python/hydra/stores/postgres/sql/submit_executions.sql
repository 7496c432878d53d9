-- Index: primary keys of hydra_key and hydra_submission. Inserts what has no key, or a key that this statement took:
-- whoever repeats a submission, even after a purge, takes none and inserts nothing (R17, R18, R24). None of these has
-- limits.
{submitted}
insert into hydra_execution (id, run_at, wake_at, timeout_at, priority, status, namespace, workflow)
select
    s.execution_id,
    s.due_at,
    case when s.due_at > %(now)s then s.due_at end,
    s.timeout_at,
    s.priority,
    'pending',
    s.namespace,
    s.workflow
from submission as s
returning id::text
