-- Index: primary keys of hydra_submission and hydra_record. Lengths alone, for which no value is read.
select
    s.execution_id::text,
    octet_length(s.input) + (
        select coalesce(sum(octet_length(r.payload)), 0)
        from hydra_record as r
        where r.execution_id = any(array[s.execution_id])
    )
from hydra_submission as s
where s.execution_id = any(%(ids)s)
