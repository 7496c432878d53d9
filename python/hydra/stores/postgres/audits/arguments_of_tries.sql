-- Scans hydra_record in primary key order. Tries of one step have one idempotency key, so they have one set of
-- arguments.
select
    'G4',
    r.execution_id::text,
    format(
        'step `%%s` %%s#%%s has other arguments at record %%s than at record %%s, under one idempotency key',
        r.name, r.branch, r.ordinal, later.seq, r.seq
    )
from hydra_record as r
join hydra_submission as s on s.execution_id = r.execution_id and s.namespace = %(namespace)s
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
        from hydra_record as f
        where f.execution_id = r.execution_id
            and f.seq > r.seq
            and f.seq < later.seq
            and f.kind = 'supersede'
    )
