-- Index: primary key of hydra_submission. What `submit_executions` does, for one alone without key or limits: to
-- unnest and join arrays, and to have a third table ready, would cost as much again. No row comes back where the id is
-- known (R17, R18); nothing is inserted then.
with submission as (
    insert into hydra_submission (
        execution_id, submitted_at, due_at, timeout_at, priority, namespace, workflow, digest, input, tags
    )
    values (
        %(id)s::uuid, %(now)s::bigint, %(due_at)s::bigint, %(timeout_at)s::bigint, %(priority)s::integer,
        %(namespace)s::text,
        %(workflow)s::text, %(digest)s::bytea, %(input)s::bytea, %(tags)s::text::jsonb
    )
    on conflict (execution_id) do nothing
    returning execution_id
)
insert into hydra_execution (id, run_at, wake_at, timeout_at, priority, status, namespace, workflow)
select
    s.execution_id,
    %(due_at)s::bigint,
    case when %(due_at)s::bigint > %(now)s::bigint then %(due_at)s::bigint end,
    %(timeout_at)s::bigint,
    %(priority)s::integer,
    'pending',
    %(namespace)s::text,
    %(workflow)s::text
from submission as s
returning id::text
