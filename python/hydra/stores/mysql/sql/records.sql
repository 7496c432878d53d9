-- Index: primary keys of hydra_execution and hydra_record.
select
    r.execution_id, r.seq, r.kind, r.branch, r.name, r.ordinal, r.attempt, r.digest, r.payload, r.started_at,
    r.finished_at,
    r.due_at
from hydra_execution as e force index (primary)
straight_join hydra_record as r force index (primary) on r.execution_id = e.id
where e.id in ({ids})
    and e.namespace = {namespace}
order by r.execution_id, r.seq
