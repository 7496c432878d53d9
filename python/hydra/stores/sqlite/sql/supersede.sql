-- Index: primary keys of hydra_execution and hydra_record. The new attempt forgets the failure that left the body.
insert into hydra_record (
    execution_id, seq, kind, branch, name, ordinal, attempt, digest, payload, started_at, finished_at, due_at
)
select id, record_count + 1, 'supersede', '', '', cause_seq, attempt + 1, x'', null, :now, :now, 0
from hydra_execution
where id in (select value from json_each(:ids))
    and namespace = :namespace
    and status = 'failed'
    and id not in (select execution_id from hydra_former_key)
    and cause_seq > 0
