-- Scans hydra_record by primary key for executions in which a step, wait or spawn has several records, and sorts theirs
-- by step: no record is held against all others of its execution. What each is held against stands beside it then.
-- outcomes   Two outcomes of one step are one run too many, unless a new attempt forgot the first.
-- later      A try, crash, start or wait comes before its outcome.
-- tries      They are numbered upwards, until a new attempt begins another era. Of two in a row with one number the
--            first was killed for its time-out, and judged with the second (`due_at` -1). Items of maps, which are
--            numbered by chunks, too, and crashes without a digest, of an older hydra, may have one number twice.
-- arguments  Tries of one era have one idempotency key, so one set of arguments. Digests are keyed (payload_keys) or
--            not; those alike are compared.
with suspect as (
    select r.execution_id
    from hydra_record as r
    join hydra_execution as e on e.id = r.execution_id and e.namespace = {namespace}
    where r.kind not in ('supersede', 'sleep')
    group by r.execution_id
    having count(*) > count(distinct unhex(sha2(concat(r.ordinal, ' ', length(r.branch), ' ', r.branch, r.name), 256)))
), known as (
    select
        r.execution_id, r.seq, r.kind, r.attempt, r.digest, r.due_at,
        unhex(sha2(concat(r.ordinal, ' ', length(r.branch), ' ', r.branch, r.name), 256)) as step,
        r.kind in ('step', 'failure', 'value', 'event', 'expiry', 'spawn') as is_outcome,
        r.kind = 'resolution' and r.payload is not null as is_settled,
        r.kind in ('try', 'crash') as is_try,
        r.kind in ('try', 'crash', 'step', 'failure') as is_numbered,
        r.kind in ('try', 'crash')
            and length(r.digest) > 0
            and left(substring_index(r.branch, '/', -1), 4) <> 'map.' as is_once,
        case when r.kind in ('start', 'try', 'crash', 'step', 'failure') and length(r.digest) > 0
            then length(r.digest) = 17 end as is_keyed,
        count(case when r.kind = 'supersede' then 1 end) over (
            partition by r.execution_id
            order by r.seq
            rows unbounded preceding
        ) as era,
        coalesce(
            min(case when r.kind = 'supersede' then r.seq end) over (
                partition by
                    r.execution_id,
                    case when r.kind = 'supersede' and r.ordinal < r.seq then r.ordinal else r.seq end
            ),
            9223372036854775807
        ) as forgotten_at
    from suspect as s
    straight_join hydra_record as r on r.execution_id = s.execution_id
    where r.kind <> 'sleep'
), beside as (
    select
        k.execution_id, k.seq, k.kind, k.attempt, k.digest, k.is_keyed, k.forgotten_at,
        k.is_outcome or k.is_settled as is_final,
        k.is_numbered,
        k.is_once,
        case
            when k.kind = 'resolution' then min(case when k.is_outcome then k.seq end) over (
                partition by k.execution_id, k.step
                order by k.seq desc
                rows unbounded preceding
            )
            else lag(k.seq) over (
                partition by k.execution_id, k.step, k.is_outcome or k.kind = 'resolution'
                order by k.seq desc
            )
        end as outcome_seq,
        min(case when k.is_try or k.kind in ('start', 'wait') then k.seq end) over (
            partition by k.execution_id, k.step
            order by k.seq desc
            rows unbounded preceding
        ) as try_seq,
        max(case when k.is_try then k.attempt * 4294967296 + k.seq end) over (
            partition by k.execution_id, k.era, k.step, k.is_numbered
            order by k.seq
            rows unbounded preceding
        ) as highest,
        lag(if(k.is_once and k.due_at <> -1, k.seq, null)) over (
            partition by k.execution_id, k.era, k.step, k.is_numbered
            order by k.seq
        ) as before_seq,
        lag(k.attempt) over (
            partition by k.execution_id, k.era, k.step, k.is_numbered
            order by k.seq
        ) as before_attempt,
        lag(k.seq) over (partition by k.execution_id, k.era, k.step, k.is_keyed order by k.seq) as alike_seq,
        lag(k.digest) over (partition by k.execution_id, k.era, k.step, k.is_keyed order by k.seq) as alike_digest
    from known as k
    where k.kind <> 'supersede'
), question as (
    select 'G3' as promise, 'outcomes' as about
    union all select 'G3', 'later'
    union all select 'G4', 'tries'
    union all select 'G4', 'arguments'
), wrong as (
    select
        q.promise, q.about, b.execution_id, b.seq, b.attempt, b.outcome_seq, b.try_seq, b.alike_seq,
        if(b.attempt < b.highest div 4294967296, b.highest, b.attempt * 4294967296 + b.before_seq) as earlier_try
    from beside as b
    cross join question as q
    where (q.about = 'outcomes' and b.is_final and b.outcome_seq < b.forgotten_at)
        or (q.about = 'later' and b.is_final and b.try_seq < b.forgotten_at)
        or (q.about = 'tries' and b.is_numbered and b.attempt < b.highest div 4294967296)
        or (q.about = 'tries' and b.is_once and b.attempt = b.before_attempt and b.before_seq is not null)
        or (q.about = 'arguments' and b.is_keyed is not null and b.digest <> b.alike_digest)
), told as (
    select
        w.*,
        concat(if(r.kind in ('event', 'expiry'), 'wait', if(r.kind = 'spawn', 'spawn', 'step')),
            ' `', r.name, '` ', r.branch, '#', r.ordinal) as place
    from wrong as w
    straight_join hydra_record as r on r.execution_id = w.execution_id and r.seq = w.seq
)
select t.promise, t.execution_id,
    case t.about
        when 'outcomes' then concat(t.place, ' has outcomes at records ', t.seq, ' and ', t.outcome_seq)
        when 'later' then concat(t.place, ' was tried again at record ', t.try_seq, ' after its outcome at record ',
            t.seq)
        when 'tries' then concat('try ', t.attempt, ' of ', t.place, ' stands at record ', t.seq, ', after try ',
            t.earlier_try div 4294967296, ' at record ', t.earlier_try % 4294967296)
        else concat(t.place, ' has other arguments at record ', t.seq, ' than at record ',
            t.alike_seq, ', under one idempotency key')
    end
from told as t
