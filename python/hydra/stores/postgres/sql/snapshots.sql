-- Index: primary keys of hydra_submission, hydra_execution, hydra_outcome, hydra_record and hydra_claim.
select
    s.execution_id::text, s.workflow, s.key, coalesce(e.status, o.status), s.priority, coalesce(e.attempt, o.attempt),
    coalesce(e.epoch, o.epoch), e.owner::text, coalesce(e.attention, o.attention), coalesce(o.cause, ''),
    case when o.status = 'failed' or e.status = 'parked' then (
        select c.payload
        from hydra_claim as c
        where c.execution_id = s.execution_id
            and c.epoch = coalesce(e.epoch, o.epoch)
            and c.ending = coalesce(e.status, o.status)
    ) end,
    s.tags::text, s.submitted_at, coalesce(e.own_run_at, e.run_at, o.run_at),
    coalesce(e.started_at, o.started_at), o.finished_at,
    nullif(e.wake_at, 9223372036854775807),
    coalesce(e.timeout_at, o.timeout_at),
    (select coalesce(max(r.seq), 0) from hydra_record as r where r.execution_id = s.execution_id),
    coalesce(e.death_count, o.death_count), s.limit_keys::text,
    case when e.wake_at = 9223372036854775807 then e.gate end,
    s.timeout_at - greatest(s.due_at, s.submitted_at)
from hydra_submission as s
left join hydra_execution as e on e.id = any(array[s.execution_id])
left join hydra_outcome as o on o.execution_id = any(array[s.execution_id])
where s.execution_id = any(%(ids)s)
    and s.namespace = %(namespace)s
