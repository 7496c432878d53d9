-- Index: primary key of hydra_submission; written once, in the transaction that made the execution.
insert into hydra_submission (execution_id, key, digest, input, tags, submitted_at)
select
    value ->> 0,
    value ->> 2,
    substr(:bytes, value ->> 8, value ->> 9),
    substr(:bytes, (value ->> 8) + (value ->> 9), value ->> 10),
    value ->> 7,
    :now
from json_each(:rows)
