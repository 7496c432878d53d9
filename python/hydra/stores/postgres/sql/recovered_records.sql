-- Index: primary key of hydra_record.
select
    r.execution_id::text, r.seq, r.kind, r.branch, r.name, r.ordinal, r.attempt, r.digest, r.payload, r.started_at,
    r.finished_at, r.due_at
from hydra_record as r
where r.execution_id = any(%(ids)s)
order by r.execution_id, r.seq
