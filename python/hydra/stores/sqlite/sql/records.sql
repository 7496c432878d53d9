-- Index: primary keys of hydra_execution and hydra_record. In no order.
select
    r.execution_id, r.seq, r.kind, r.branch, r.name, r.ordinal, r.attempt, r.digest, r.payload, r.started_at,
    r.finished_at,
    r.due_at
from json_each(:ids) as i
cross join hydra_execution as e on e.id = i.value
cross join hydra_record as r on r.execution_id = e.id
where e.namespace = :namespace
