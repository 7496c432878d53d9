-- Scans hydra_record for executions in which two events are of one message, and sorts theirs. Each message is taken by
-- one wait. What was given to a wait that was over, and could not read it, another takes; and what a child said is told
-- once more when a new attempt forgot it.
with suspect as (
    select distinct d.execution_id
    from (
        select r.execution_id, r.digest
        from hydra_record as r
        join hydra_execution as e on e.id = r.execution_id and e.namespace = :namespace
        where r.kind = 'event' and r.name not glob 'hydra.set_aside:*'
        group by r.execution_id, r.digest
        having count(*) > 1
    ) as d
), known as (
    select
        r.execution_id, r.seq, r.kind, r.name, r.digest, r.finished_at,
        max(case when r.kind = 'wait' and r.due_at > 0 then r.due_at end) over (
            partition by r.execution_id, r.branch, r.name, r.ordinal
            order by r.seq
            rows unbounded preceding
        ) as over_at,
        min(case when r.kind = 'supersede' then r.seq end) over (
            partition by
                r.execution_id,
                case when r.kind = 'supersede' and r.ordinal < r.seq then r.ordinal else r.seq end
        ) as forgotten_at
    from suspect as s
    cross join hydra_record as r on r.execution_id = s.execution_id
    where r.kind in ('event', 'wait', 'supersede')
), taken as (
    select
        k.execution_id, k.seq, k.digest, k.finished_at, k.over_at, k.forgotten_at,
        lag(k.seq) over (partition by k.execution_id, k.digest order by k.seq desc) as taken_seq
    from known as k
    where k.kind = 'event' and k.name not glob 'hydra.set_aside:*'
)
select 'G3', t.execution_id, 'message `' || lower(hex(t.digest)) || '` was taken at records ' || t.seq || ' and '
    || t.taken_seq || ': compare what was done after each before this runs again'
from taken as t
where t.taken_seq < coalesce(t.forgotten_at, 9223372036854775807)
    and t.finished_at < coalesce(t.over_at, 9223372036854775807)
