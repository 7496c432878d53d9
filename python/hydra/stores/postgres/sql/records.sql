-- Index: primary keys of hydra_submission and hydra_record.
select
    r.execution_id::text, r.seq, r.kind, r.branch, r.name, r.ordinal, r.attempt, r.digest, r.payload, r.started_at,
    r.finished_at, r.due_at
from hydra_submission as s
join hydra_record as r on r.execution_id = any(array[s.execution_id])
where s.execution_id = any(%(ids)s)
    and s.namespace = %(namespace)s
order by r.execution_id, r.seq
