-- Scans hydra_record in primary key order. Tries of one step have one idempotency key, so they have one set of
-- arguments.
select 'G4', r.execution_id, concat('step `', r.name, '` ', r.branch, '#', r.ordinal, ' has other arguments at record ',
    later.seq, ' than at record ', r.seq, ', under one idempotency key')
from hydra_record as r
join hydra_execution as e on e.id = r.execution_id and e.namespace = {namespace}
join hydra_record as later
    on later.execution_id = r.execution_id
    and later.seq > r.seq
    and later.branch = r.branch
    and later.name = r.name
    and later.ordinal = r.ordinal
    and later.kind in ('start', 'try', 'crash', 'step', 'failure')
    and length(later.digest) > 0
    and (length(later.digest) = 17) = (length(r.digest) = 17)  -- both keyed (payload_keys), or none
    and later.digest <> r.digest
where r.kind in ('start', 'try', 'crash', 'step', 'failure')
    and length(r.digest) > 0
    and not exists (
        select 1
        from hydra_record as s
        where s.execution_id = r.execution_id
            and s.seq > r.seq
            and s.seq < later.seq
            and s.kind = 'supersede'
    )
