-- Index: primary keys of hydra_record and hydra_submission. Copies the first records of another execution; they never
-- change.
insert into hydra_record (
    execution_id, started_at, finished_at, due_at, seq, ordinal, attempt, kind, branch, name, digest, payload
)
select
    %(id)s, r.started_at, r.finished_at, r.due_at, r.seq, r.ordinal, r.attempt, r.kind, r.branch, r.name, r.digest,
    r.payload
from hydra_submission as s
join hydra_record as r on r.execution_id = s.execution_id
where s.execution_id = any(%(sources)s)
    and s.namespace = %(namespace)s
    and r.seq <= %(record_count)s
