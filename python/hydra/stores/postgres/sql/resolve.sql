-- Index: primary keys of hydra_execution and hydra_submission. The record is the next one (R13), or nothing happens. A
-- time-out that has passed starts again.
with locked as materialized (
    select e.id, e.record_count
    from hydra_execution as e
    where e.id = %(id)s
        and e.namespace = %(namespace)s
        and e.status = 'parked'
    for update
), resolved as (
    update hydra_execution as e
    set status = 'pending',
        run_at = %(now)s,
        record_count = locked.record_count + 1,
        death_count = 0,
        alone_death_count = 0,
        timeout_at = case when e.timeout_at > %(now)s then e.timeout_at
            else %(now)s + s.timeout_at - greatest(s.due_at, s.submitted_at) end
    from locked
    join hydra_submission as s on s.execution_id = any(array[locked.id])
    where e.id = any(array[locked.id])
        and locked.record_count = %(seq)s - 1
    returning e.id
), recorded as (
    insert into hydra_record (
        execution_id, started_at, finished_at, due_at, seq, ordinal, attempt, kind, branch, name, digest, payload
    )
    select
        resolved.id, %(now)s, %(now)s, 0, %(seq)s, %(ordinal)s, %(attempt)s, %(kind)s, %(branch)s, %(name)s, %(digest)s,
        %(payload)s
    from resolved
)
select locked.id::text, resolved.id is not null
from locked
left join resolved on true
