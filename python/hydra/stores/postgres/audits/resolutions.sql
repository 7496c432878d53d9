-- Scans hydra_record in primary key order. A person can only settle a step that was started.
select
    'G4', r.execution_id::text, format('record %%s settles step `%%s`, which was never started', r.seq, r.name)
from hydra_record as r
join hydra_submission as h on h.execution_id = r.execution_id and h.namespace = %(namespace)s
where r.kind = 'resolution'
    and not exists (
        select 1
        from hydra_record as s
        where s.execution_id = r.execution_id
            and s.seq < r.seq
            and s.kind = 'start'
            and s.branch = r.branch
            and s.name = r.name
            and s.ordinal = r.ordinal
    )
