-- Index: primary key of hydra_record. A later statement than the mark, so it sees every record there is (R12).
select json_group_array(json_array(
    execution_id, seq, kind, branch, name, ordinal, attempt, hex(digest),
    case when payload is null then null else hex(payload) end, started_at, finished_at, due_at
))
from json_each(:ids) as i
cross join hydra_record on execution_id = i.value
