-- Index: primary keys of hydra_execution and hydra_act. What is to run again, and as which it was run again before;
-- after the locks, so it sees what those who had them did.
select
    e.id, e.status, e.attempt, e.workflow, e.idempotency_key, e.digest, e.input, e.tags, e.priority, e.limit_keys,
    e.timeout_us, e.timeout_at, e.submitted_at,
    (select a.id from hydra_act as a where a.execution_id = e.id and a.kind = 'rerun')
from hydra_execution as e force index (primary)
where e.id in ({ids})
    and e.namespace = {namespace}
