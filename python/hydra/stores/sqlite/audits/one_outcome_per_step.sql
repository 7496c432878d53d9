-- Scans hydra_record by primary key for executions in which a step has several records, and sorts theirs by step: no
-- record is held against all others of its execution. Two outcomes of one step are one run too many, unless a new
-- attempt forgot the first. Each is held against the next.
with suspect as (
    select r.execution_id
    from hydra_record as r
    join hydra_execution as e on e.id = r.execution_id and e.namespace = :namespace
    where r.kind in ('step', 'failure', 'value', 'resolution')
    group by r.execution_id
    having count(*) > count(distinct r.branch || ' ' || r.name || ' ' || r.ordinal)
), outcome as (
    select
        r.execution_id, r.seq, r.kind, r.branch, r.name, r.ordinal,
        r.kind <> 'resolution' or r.payload is not null as is_final,
        min(case when r.kind = 'supersede' then r.seq end) over (
            partition by
                r.execution_id,
                case when r.kind = 'supersede' and r.ordinal < r.seq then r.ordinal else r.seq end
        ) as forgotten_at
    from suspect as s
    cross join hydra_record as r on r.execution_id = s.execution_id
    where r.kind in ('step', 'failure', 'value', 'resolution', 'supersede')
), followed as (
    select
        o.execution_id, o.seq, o.branch, o.name, o.ordinal, o.is_final, o.forgotten_at,
        case
            when o.kind <> 'resolution' then lag(o.seq) over step
            else min(case when o.kind <> 'resolution' then o.seq end) over step
        end as later_seq
    from outcome as o
    where o.kind <> 'supersede'
    window step as (
        partition by o.execution_id, o.branch, o.name, o.ordinal
        order by o.seq desc
        rows unbounded preceding
    )
)
select 'G3', f.execution_id, 'step `' || f.name || '` ' || f.branch || '#' || f.ordinal
    || ' has outcomes at records ' || f.seq || ' and ' || f.later_seq
from followed as f
where f.is_final
    and f.later_seq < coalesce(f.forgotten_at, 9223372036854775807)
