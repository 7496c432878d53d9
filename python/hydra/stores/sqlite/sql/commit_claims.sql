-- Index: primary key of hydra_claim.
insert into hydra_claim (
    execution_id, epoch, attempt, node, worker, claimed_at, ended_at, ending, detail, payload
)
select
    value ->> 0,
    value ->> 1,
    value ->> 2,
    :node,
    value ->> 3,
    value ->> 4,
    :now,
    value ->> 5,
    value ->> 6,
    case when value ->> 8 is null then null else substr(:bytes, value ->> 7, value ->> 8) end
from json_each(:rows)
