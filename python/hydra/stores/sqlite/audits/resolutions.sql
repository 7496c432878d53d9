-- Scans hydra_record and sorts what it needs by step, so that no record is held against all others of its execution. A
-- person can only settle a step that was started.
with settled as (
    select
        r.execution_id, r.seq, r.kind, r.name,
        min(case when r.kind = 'start' then r.seq end) over (
            partition by r.execution_id, r.branch, r.name, r.ordinal
        ) as started_at
    from hydra_record as r
    join hydra_execution as e on e.id = r.execution_id and e.namespace = :namespace
    where r.kind in ('start', 'resolution')
)
select 'G4', s.execution_id, 'record ' || s.seq || ' settles step `' || s.name || '`, which was never started'
from settled as s
where s.kind = 'resolution'
    and s.seq < coalesce(s.started_at, 9223372036854775807)
