-- Index: primary keys of hydra_key, hydra_submission and hydra_execution. Who has a key, and whether the submission
-- that asks was made before.
select
    k.execution_id, s.submitted_at,
    exists (select 1 from hydra_execution as own where own.id = :id and own.namespace = :namespace)
from hydra_key as k
left join hydra_submission as s on s.execution_id = k.execution_id
where k.namespace = :namespace
    and k.workflow = :workflow
    and k.key = :key
