-- Index: primary keys of hydra_submission and hydra_key. Inserts what has no key, or whose key the statement before this one took.
-- Whoever repeats a submission finds its row of hydra_submission and inserts nothing (R17, R18).
with submission as (
    insert into hydra_submission (
        execution_id, submitted_at, due_at, timeout_at, priority, namespace, workflow, key, digest, input, tags
    )
    select
        i.id,
        %(now)s,
        i.due_at,
        i.timeout_at,
        i.priority,
        %(namespace)s,
        i.workflow,
        i.key,
        i.digest,
        i.input,
        i.tags::jsonb
    from unnest(
        %(ids)s, %(due_ats)s, %(timeout_ats)s, %(priorities)s, %(workflows)s, %(keys)s, %(digests)s, %(inputs)s, %(tags)s
    ) as i (id, due_at, timeout_at, priority, workflow, key, digest, input, tags)
    where i.key is null
        or i.id = (
            select k.execution_id
            from hydra_key as k
            where k.namespace = %(namespace)s
                and k.workflow = i.workflow
                and k.key = i.key
        )
    on conflict (execution_id) do nothing
    returning execution_id, due_at, timeout_at, priority, namespace, workflow
)
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
