-- Scans hydra_record in primary key order. Two outcomes of one step are one run too many, unless a new attempt forgot
-- the first.
select
    'G3',
    r.execution_id::text,
    format('step `%%s` %%s#%%s has outcomes at records %%s and %%s', r.name, r.branch, r.ordinal, r.seq, later.seq)
from hydra_record as r
join hydra_submission as s on s.execution_id = r.execution_id and s.namespace = %(namespace)s
join hydra_record as later
    on later.execution_id = r.execution_id
    and later.seq > r.seq
    and later.branch = r.branch
    and later.name = r.name
    and later.ordinal = r.ordinal
    and (later.kind in ('step', 'failure', 'value') or (later.kind = 'resolution' and r.kind <> 'resolution'))
where (r.kind in ('step', 'failure', 'value') or (r.kind = 'resolution' and r.payload is not null))
    and not exists (
        select 1
        from hydra_record as f
        where f.execution_id = r.execution_id
            and f.seq > r.seq
            and f.seq < later.seq
            and f.kind = 'supersede'
            and f.ordinal = r.seq
    )
