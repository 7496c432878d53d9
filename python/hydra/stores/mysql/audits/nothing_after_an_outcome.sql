-- Scans hydra_record by primary key for executions in which a step has several records, and sorts theirs by step: no
-- record is held against all others of its execution. A try or crash of a step comes before its outcome. Each outcome
-- is held against the next of those.
with suspect as (
    select r.execution_id
    from hydra_record as r
    join hydra_execution as e on e.id = r.execution_id and e.namespace = {namespace}
    where r.kind in ('step', 'failure', 'value', 'resolution', 'try', 'crash', 'start')
    group by r.execution_id
    having count(*) > count(distinct unhex(sha2(concat(r.ordinal, ' ', length(r.branch), ' ', r.branch, r.name), 256)))
), known as (
    select
        r.execution_id, r.seq, r.kind,
        unhex(sha2(concat(r.ordinal, ' ', length(r.branch), ' ', r.branch, r.name), 256)) as step,
        r.kind in ('step', 'failure', 'value') or (r.kind = 'resolution' and r.payload is not null) as is_final,
        min(case when r.kind = 'supersede' then r.seq end) over (
            partition by
                r.execution_id,
                case when r.kind = 'supersede' and r.ordinal < r.seq then r.ordinal else r.seq end
        ) as forgotten_at
    from suspect as s
    straight_join hydra_record as r on r.execution_id = s.execution_id
    where r.kind in ('step', 'failure', 'value', 'resolution', 'try', 'crash', 'start', 'supersede')
), followed as (
    select
        k.execution_id, k.seq, k.is_final, k.forgotten_at,
        min(case when k.kind in ('try', 'crash', 'start') then k.seq end) over (
            partition by k.execution_id, k.step
            order by k.seq desc
            rows unbounded preceding
        ) as later_seq
    from known as k
    where k.kind <> 'supersede'
)
select 'G3', f.execution_id, concat('step `', r.name, '` ', r.branch, '#', r.ordinal, ' was tried again at record ',
    f.later_seq, ' after its outcome at record ', f.seq)
from followed as f
straight_join hydra_record as r on r.execution_id = f.execution_id and r.seq = f.seq
where f.is_final
    and f.later_seq < coalesce(f.forgotten_at, 9223372036854775807)
