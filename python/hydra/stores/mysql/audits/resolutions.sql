-- Scans hydra_record and sorts what it needs by step, so that no record is held against all others of its execution. A
-- person can only settle a step that was started.
with known as (
    select
        r.execution_id, r.seq, r.kind,
        unhex(sha2(concat(r.ordinal, ' ', length(r.branch), ' ', r.branch, r.name), 256)) as step
    from hydra_record as r
    join hydra_execution as e on e.id = r.execution_id and e.namespace = {namespace}
    where r.kind in ('start', 'resolution')
), settled as (
    select
        k.execution_id, k.seq, k.kind,
        min(case when k.kind = 'start' then k.seq end) over (partition by k.execution_id, k.step) as started_at
    from known as k
)
select 'G4', s.execution_id, concat('record ', s.seq, ' settles step `', r.name, '`, which was never started')
from settled as s
straight_join hydra_record as r on r.execution_id = s.execution_id and r.seq = s.seq
where s.kind = 'resolution'
    and s.seq < coalesce(s.started_at, 9223372036854775807)
