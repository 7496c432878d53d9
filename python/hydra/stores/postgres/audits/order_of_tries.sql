-- Scans hydra_record in primary key order. The tries of one step are numbered upwards.
select
    'G4',
    r.execution_id::text,
    format(
        'try %%s of step `%%s` %%s#%%s stands at record %%s, after try %%s at record %%s',
        later.attempt, r.name, r.branch, r.ordinal, later.seq, r.attempt, r.seq
    )
from hydra_record as r
join hydra_submission as s on s.execution_id = r.execution_id and s.namespace = %(namespace)s
join hydra_record as later
    on later.execution_id = r.execution_id
    and later.seq > r.seq
    and later.branch = r.branch
    and later.name = r.name
    and later.ordinal = r.ordinal
    and later.kind in ('try', 'crash', 'step', 'failure')
    and later.attempt < r.attempt
where r.kind in ('try', 'crash')
    and not exists (
        select 1
        from hydra_record as f
        where f.execution_id = r.execution_id
            and f.seq > r.seq
            and f.seq < later.seq
            and f.kind = 'supersede'
    )
