-- Index: primary key of hydra_record, which also refuses a second record of one number (R13).
insert into hydra_record (
    execution_id, seq, kind, branch, name, ordinal, attempt, digest, payload, started_at, finished_at, due_at
)
values {rows}
