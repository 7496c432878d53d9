-- Index: primary key of hydra_record. A later statement than the lock, so it sees every record there is (R12).
select execution_id, seq, kind, branch, name, ordinal, attempt, digest, payload, started_at, finished_at, due_at
from hydra_record
where execution_id in ({ids})
order by execution_id, seq
