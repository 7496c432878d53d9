-- Index: primary keys of hydra_execution and hydra_claim.
select
    e.id, e.workflow, e.idempotency_key, e.status,
    coalesce(e.own_priority, e.priority), e.attempt, e.epoch, e.owner, e.attention, e.cause,
    if(e.status in ('failed', 'parked'), (
        select c.payload from hydra_claim as c where c.execution_id = e.id and c.epoch = e.epoch and c.ending = e.status
    ), null),
    e.tags, e.submitted_at, coalesce(e.own_run_at, e.run_at), e.started_at, e.finished_at,
    if(e.wake_at = 9223372036854775807, 0, e.wake_at), e.timeout_at,
    e.record_count, e.death_count, e.limit_keys, if(e.wake_at = 9223372036854775807, e.gate, null),
    if(e.timeout_at > 0, if(e.timeout_us > 0, e.timeout_us, e.timeout_at - e.submitted_at), null)
from hydra_execution as e force index (primary)
where e.id in ({ids})
    and e.namespace = {namespace}
