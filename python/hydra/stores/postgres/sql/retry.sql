-- Index: primary keys of hydra_outcome, hydra_former_key and hydra_submission. After lock_outcomes, so it sees whose
-- key went over. The outcome is taken away under its row's lock, so two people retry once. The new attempt forgets the
-- failure that left the body; a time-out that has passed starts again.
with locked as materialized (
    select o.execution_id
    from hydra_outcome as o
    where o.execution_id = any(%(ids)s)
        and o.namespace = %(namespace)s
        and o.status = 'failed'
        and (select f.execution_id from hydra_former_key as f where f.execution_id = o.execution_id) is null
    order by o.execution_id
    for update
), taken as (
    delete from hydra_outcome as o
    using locked
    where o.execution_id = any(array[locked.execution_id])
    returning o.*
), superseded as (
    insert into hydra_record (
        execution_id, started_at, finished_at, due_at, seq, ordinal, attempt, kind, branch, name, digest
    )
    select
        o.execution_id,
        %(now)s,
        %(now)s,
        0,
        o.record_count + 1,
        o.cause_seq,
        o.attempt + 1,
        'supersede',
        '',
        '',
        ''
    from taken as o
    where o.cause_seq > 0
), counted as (
    insert into hydra_count (namespace, workflow, status, count)
    select o.namespace, o.workflow, 'failed', -count(*)
    from taken as o
    group by o.namespace, o.workflow
)
insert into hydra_execution (
    id, run_at, timeout_at, started_at, claimed_at, epoch, attempt, priority, wake_seq, record_count,
    status, namespace, workflow, gate
)
select
    o.execution_id,
    %(now)s,
    case when o.timeout_at > %(now)s then o.timeout_at
        else %(now)s + s.timeout_at - greatest(s.due_at, s.submitted_at) end,
    o.started_at,
    o.claimed_at,
    o.epoch,
    o.attempt + 1,
    s.priority,
    o.wake_seq,
    o.record_count + case when o.cause_seq > 0 then 1 else 0 end,
    'pending',
    o.namespace,
    o.workflow,
    s.limit_keys ->> 0
from taken as o
join hydra_submission as s on s.execution_id = any(array[o.execution_id])
returning id::text
