-- Index: primary key of hydra_record, which also refuses a second record of one number (R13).
insert into hydra_record (
    execution_id, seq, kind, branch, name, ordinal, attempt, digest, payload, started_at, finished_at, due_at
)
select
    value ->> 0,
    value ->> 1,
    value ->> 2,
    value ->> 3,
    value ->> 4,
    value ->> 5,
    value ->> 6,
    substr(:bytes, value ->> 10, value ->> 11),
    case when value ->> 12 is null then null else substr(:bytes, (value ->> 10) + (value ->> 11), value ->> 12) end,
    value ->> 7,
    value ->> 8,
    value ->> 9
from json_each(:rows)
