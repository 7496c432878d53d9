-- Index: primary keys of hydra_execution, hydra_submission, hydra_key and hydra_act. What is to run again, who has its
-- key, and as which it was run again before.
select
    e.id, e.status, e.attempt, e.workflow, s.key, s.digest, s.input, s.tags, e.priority, s.limit_keys,
    coalesce(s.timeout_us, e.timeout_at - s.submitted_at), k.execution_id,
    (select a.id from hydra_act as a where a.execution_id = e.id and a.kind = 'rerun')
from json_each(:ids) as i
cross join hydra_execution as e on e.id = i.value
cross join hydra_submission as s on s.execution_id = e.id
left join hydra_key as k on k.namespace = e.namespace and k.workflow = e.workflow and k.key = s.key
where e.namespace = :namespace
