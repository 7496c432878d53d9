-- Scans hydra_record by primary key for executions in which a step has several records, and sorts theirs by step: no
-- record is held against all others of its execution. The tries of one step are numbered upwards, until a new attempt
-- begins another era. Each is held against the highest before it, which stands in one number with its place.
with suspect as (
    select r.execution_id
    from hydra_record as r
    join hydra_execution as e on e.id = r.execution_id and e.namespace = :namespace
    where r.kind in ('try', 'crash', 'step', 'failure')
    group by r.execution_id
    having count(*) > count(distinct r.branch || ' ' || r.name || ' ' || r.ordinal)
), known as (
    select
        r.execution_id, r.seq, r.kind, r.branch, r.name, r.ordinal, r.attempt,
        count(case when r.kind = 'supersede' then 1 end) over (
            partition by r.execution_id
            order by r.seq
            rows unbounded preceding
        ) as era
    from suspect as s
    cross join hydra_record as r on r.execution_id = s.execution_id
    where r.kind in ('try', 'crash', 'step', 'failure', 'supersede')
), tried as (
    select
        k.execution_id, k.seq, k.branch, k.name, k.ordinal, k.attempt,
        max(case when k.kind in ('try', 'crash') then k.attempt * 4294967296 + k.seq end) over (
            partition by k.execution_id, k.era, k.branch, k.name, k.ordinal
            order by k.seq
            rows unbounded preceding
        ) as highest
    from known as k
    where k.kind <> 'supersede'
)
select 'G4', t.execution_id, 'try ' || t.attempt || ' of step `' || t.name || '` ' || t.branch || '#' || t.ordinal
    || ' stands at record ' || t.seq || ', after try ' || (t.highest / 4294967296) || ' at record '
    || (t.highest % 4294967296)
from tried as t
where t.attempt < t.highest / 4294967296
