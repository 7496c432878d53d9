-- Scans hydra_record and sorts what it needs by step, so that no record is held against all others of its execution. A
-- person can only settle a step that was started.
with settled as (
    select
        r.execution_id, r.seq, r.kind, r.name,
        min(case when r.kind = 'start' then r.seq end) over (
            partition by r.execution_id, r.branch collate "C", r.name collate "C", r.ordinal
        ) as started_at
    from hydra_record as r
    join hydra_submission as e on e.execution_id = r.execution_id and e.namespace = %(namespace)s
    where r.kind in ('start', 'resolution')
)
select
    'G4', s.execution_id::text, format('record %%s settles step `%%s`, which was never started', s.seq, s.name)
from settled as s
where s.kind = 'resolution'
    and s.seq < coalesce(s.started_at, 9223372036854775807)
