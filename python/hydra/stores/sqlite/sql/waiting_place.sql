-- Index: primary keys of hydra_execution and hydra_submission. Where it waits, and what of its order is done already.
select
    e.status, coalesce(e.own_priority, e.priority), coalesce(e.own_run_at, e.run_at),
    e.wake_at, e.timeout_at, e.attention, e.epoch,
    coalesce(s.timeout_us, e.timeout_at - s.submitted_at, 0),
    exists (select 1 from hydra_act as a where a.execution_id = e.id and a.id = :act_id),
    s.limit_keys
from hydra_execution as e
join hydra_submission as s on s.execution_id = e.id
where e.id = :id
    and e.namespace = :namespace
