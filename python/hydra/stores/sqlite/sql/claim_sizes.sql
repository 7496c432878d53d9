-- Index: primary keys of hydra_execution, hydra_submission and hydra_record. Lengths alone, for which no value is read.
select json_group_array(json_array(
    e.id,
    length(s.input) + (
        select coalesce(sum(length(r.payload)), 0) from hydra_record as r where r.execution_id = e.id
    )
))
from json_each(:ids) as i
cross join hydra_execution as e on e.id = i.value
cross join hydra_submission as s on s.execution_id = e.id
