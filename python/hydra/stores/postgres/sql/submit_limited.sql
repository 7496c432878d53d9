-- Index: primary keys of hydra_key and hydra_submission. What `submit_executions` does, where some have limits: those
-- wait at the first of their keys from the start, which is called once. The trigger that makes older code's
-- submissions wait (hydra_gate_submitted) has nothing to do: it wrote each row a second time, and called for each.
{submitted}, called as (
    insert into hydra_gate_call (namespace, limit_key)
    select distinct s.namespace, s.gate
    from submission as s
    where s.gate is not null
        and s.due_at <= %(now)s
)
insert into hydra_execution (id, run_at, wake_at, timeout_at, priority, status, namespace, workflow, gate)
select
    s.execution_id,
    s.due_at,
    case
        when s.due_at > %(now)s then s.due_at
        when s.gate is not null then 9223372036854775807
    end,
    s.timeout_at,
    s.priority,
    'pending',
    s.namespace,
    s.workflow,
    s.gate
from submission as s
returning id::text
