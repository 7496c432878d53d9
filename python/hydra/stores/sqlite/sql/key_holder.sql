-- Index: primary keys of hydra_key, hydra_submission and hydra_execution. Who has a key, and what has the id of the
-- submission that asks.
select k.execution_id, s.submitted_at, own.workflow, own_submission.key
from hydra_key as k
left join hydra_submission as s on s.execution_id = k.execution_id
left join hydra_execution as own
    on own.id = :id
    and own.namespace = :namespace
left join hydra_submission as own_submission on own_submission.execution_id = own.id
where k.namespace = :namespace
    and k.workflow = :workflow
    and k.key = :key
