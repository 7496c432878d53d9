-- Index: primary key of hydra_record. Copies the first records of another execution; they never change.
insert into hydra_record (
    execution_id, seq, kind, branch, name, ordinal, attempt, digest, payload, started_at, finished_at, due_at
)
select {id}, r.seq, r.kind, r.branch, r.name, r.ordinal, r.attempt, r.digest, r.payload, r.started_at, r.finished_at,
    r.due_at
from hydra_record as r
join hydra_execution as e on e.id = r.execution_id
where r.execution_id = {source}
    and r.seq <= {record_count}
    and e.namespace = {namespace}
