-- Index: primary keys of hydra_execution and hydra_record. Locks nothing; the server reads the values, and sends their
-- lengths alone.
select e.id, length(e.input) + if(
    e.record_count = 0,
    0,
    (select coalesce(sum(length(r.payload)), 0) from hydra_record as r force index (primary)
        where r.execution_id = e.id)
)
from hydra_execution as e force index (primary)
where e.id in ({ids})
