-- Index: primary keys of hydra_execution, hydra_submission, hydra_claim and hydra_record.
select
    e.id, e.workflow, s.key, e.status, coalesce(e.own_priority, e.priority), e.attempt, e.epoch, e.owner,
    e.attention, e.cause,
    case when e.status in ('failed', 'parked') then (
        select c.payload from hydra_claim as c where c.execution_id = e.id and c.epoch = e.epoch and c.ending = e.status
    ) end,
    s.tags, s.submitted_at, coalesce(e.own_run_at, e.run_at), e.started_at, e.finished_at,
    nullif(e.wake_at, 9223372036854775807), e.timeout_at,
    (select coalesce(max(r.seq), 0) from hydra_record as r where r.execution_id = e.id),
    e.death_count, s.limit_keys, case when e.wake_at = 9223372036854775807 then e.gate end,
    coalesce(s.timeout_us, e.timeout_at - s.submitted_at)
from json_each(:ids) as i
cross join hydra_execution as e on e.id = i.value
cross join hydra_submission as s on s.execution_id = e.id
where e.namespace = :namespace
